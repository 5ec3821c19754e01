using System.Collections.Concurrent;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Forwarding.Continuation;

/// <summary>Looks again and again at sendings that are under way, and gives up those whose silence nothing explains. One timer for all.</summary>
internal sealed class SilenceWatch(IFleet fleet, IOptions<ContinuationOptions> options, TimeProvider time) : BackgroundService
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(100);
    private readonly ContinuationOptions _options = options.Value;
    private readonly ConcurrentDictionary<ForwardAttempt, bool> _attempts = new();

    /// <summary>Whether a sending is to be watched.</summary>
    public bool IsFor(BridgeCall call) =>
        _options.Enabled && call.Body is not null && call.Operation.Kind == Protocols.OperationKind.Inference
        && (call.Facts.Stream ?? call.Operation.StreamsByDefault);

    /// <summary>Begins to watch.</summary>
    public void Add(ForwardAttempt attempt) => _attempts.TryAdd(attempt, true);

    /// <summary>Ends it.</summary>
    public void Remove(ForwardAttempt attempt) => _attempts.TryRemove(attempt, out _);

    /// <summary>One look at all.</summary>
    internal void Look()
    {
        if (_attempts.IsEmpty)
            return;
        var snapshot = fleet.Current;
        var now = time.GetTimestamp();
        foreach (var (attempt, _) in _attempts)
            if (SilenceRules.Judge(Describe(attempt, snapshot, now), _options) is { } cause)
                attempt.GiveUp(cause);
    }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Interval, time);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken))
                Look();
        }
        catch (OperationCanceledException)
        {
            // The service stops; its streams run on.
        }
    }

    private SilenceFacts Describe(ForwardAttempt attempt, FleetSnapshot snapshot, long now)
    {
        InstanceView? view = null;
        foreach (var candidate in snapshot.Instances)
            if (candidate.Instance == attempt.Lease.Instance)
                view = candidate;
        var last = attempt.LastByteAt;
        var messages = attempt.Messages;
        var state = attempt.Lease.Placement.State;
        return new SilenceFacts(
            attempt.HasBegun,
            Silence(attempt, now),
            messages < 3 ? null : time.GetElapsedTime(attempt.FirstByteAt, last) / (messages - 1),
            view?.Status,
            attempt.Lease.WasLoaded,
            double.IsNaN(state.TimeToFirstToken) ? null : TimeSpan.FromSeconds(Math.Max(state.TimeToFirstToken, state.SecondsPerByte * (attempt.Call.Body?.Length ?? 0))),
            attempt.Call.Facts.HasTools,
            CanGoElsewhere(attempt, snapshot),
            IsDrainOver: false);
    }

    /// <summary>How long nothing has come although it was waited for: a client that takes its time is no silence of the instance's.</summary>
    private TimeSpan Silence(ForwardAttempt attempt, long now)
    {
        if (!attempt.HasBegun)
            return time.GetElapsedTime(attempt.SentAt, now);
        return attempt.ReadingSince is not 0 and var since ? time.GetElapsedTime(since, Math.Max(since, now)) : TimeSpan.Zero;
    }

    private static bool CanGoElsewhere(ForwardAttempt attempt, FleetSnapshot snapshot)
    {
        if (!attempt.HasBegun && !attempt.CanRetry)
            return false;
        if (!snapshot.For(attempt.Call.Tenant.Instances).Models.TryGetValue(attempt.Call.ModelKey, out var model))
            return false;
        foreach (var placement in model.Usable)
            if (placement.Instance != attempt.Lease.Instance)
                return true;
        return false;
    }
}

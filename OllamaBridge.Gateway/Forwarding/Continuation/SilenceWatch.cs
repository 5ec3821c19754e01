using System.Collections.Concurrent;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Shutdown;

namespace OllamaBridge.Gateway.Forwarding.Continuation;

/// <summary>
/// Looks again and again at sendings that are under way, and gives up those whose silence nothing explains, whose instance is emptied, or,
/// where the gateway stops, for which there is no time left. One timer for all.
/// </summary>
internal sealed class SilenceWatch(
    IFleet fleet, DrainMoves drains, GracefulStop stop, IOptions<ContinuationOptions> options, TimeProvider time) : BackgroundService
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(100);
    private readonly ContinuationOptions _options = options.Value;
    private readonly ConcurrentDictionary<ForwardAttempt, bool> _attempts = new();

    /// <summary>Whether a sending is to be watched.</summary>
    public static bool IsFor(BridgeCall call) => call.Operation.Kind != OperationKind.Lookup;

    /// <summary>Begins to watch.</summary>
    public void Add(ForwardAttempt attempt) => _attempts.TryAdd(attempt, true);

    /// <summary>Ends it.</summary>
    public void Remove(ForwardAttempt attempt)
    {
        _attempts.TryRemove(attempt, out _);
        attempt.Close();
    }

    /// <summary>One look at all.</summary>
    internal void Look()
    {
        if (_attempts.IsEmpty)
            return;
        var snapshot = fleet.Current;
        var now = time.GetTimestamp();
        var drained = stop.IsOver ? null : drains.Choose(_attempts.Select(a => a.Key), snapshot);
        foreach (var (attempt, _) in _attempts)
            if (Judge(attempt, snapshot, drained?.Contains(attempt) == true, now) is { } cause)
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
            // The service stops; its streams have ended by then.
        }
    }

    private Interruption? Judge(ForwardAttempt attempt, FleetSnapshot snapshot, bool isDrained, long now)
    {
        if (stop.IsOver)
            return Interruption.Stopped;
        var isJudged = _options.Enabled && attempt.Call is { Body: not null, Operation.Kind: OperationKind.Inference } call
            && (call.Facts.Stream ?? call.Operation.StreamsByDefault);
        if (!isDrained && !isJudged)
            return null;
        return SilenceRules.Judge(Describe(attempt, snapshot, isDrained, now), _options) is { } cause && (isJudged || cause == Interruption.Drained)
            ? cause
            : null;
    }

    private SilenceFacts Describe(ForwardAttempt attempt, FleetSnapshot snapshot, bool isDrained, long now)
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
            isDrained);
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
        if (DrainMoves.Find(attempt, snapshot) is not { } model)
            return false;
        foreach (var placement in model.Usable)
            if (placement.Instance != attempt.Lease.Instance)
                return true;
        return false;
    }
}

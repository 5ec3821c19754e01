using System.Collections.Concurrent;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Resumption.Liveness;
using OllamaBridge.Gateway.Shutdown;

namespace OllamaBridge.Gateway.Resumption;

/// <summary>Gives up attempts with unexplained silence, on drained instances, and beyond the deadline of a shutdown. One timer serves all.</summary>
internal sealed class StallDetector(
    IFleet fleet,
    DrainMoves drains,
    GracefulStop stop,
    LivenessChecks checks,
    LoadTimes loadTimes,
    IOptions<ResumptionOptions> options,
    IOptions<LivenessOptions> liveness,
    TimeProvider time) : BackgroundService
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan ManagementSilence = TimeSpan.FromSeconds(5);
    private ResumptionOptions Settings => options.Value;
    private readonly LivenessOptions _liveness = liveness.Value;
    private readonly ConcurrentDictionary<StreamedAttempt, bool> _attempts = new();
    private readonly PlacementProgress _progress = new(time);

    public static bool IsFor(ForwardedCall call) => call.Operation.Kind != OperationKind.Lookup;

    public void Add(StreamedAttempt attempt) => _attempts.TryAdd(attempt, true);

    public void Remove(StreamedAttempt attempt)
    {
        _attempts.TryRemove(attempt, out _);
        if (attempt is { HasBegun: true, HasFailed: false, Interrupted: null } && attempt.Call.Operation.Kind == OperationKind.Inference)
            _progress.AddEnded(attempt);
        // The check waited for the request that it was meant to examine.
        if (attempt is { Stall.IsSuspect: true, HasBegun: true })
            attempt.Lease.Placement.State.Model.HasWaitingChecks = true;
        attempt.Close();
    }

    internal void Look()
    {
        var now = time.GetTimestamp();
        if (_attempts.IsEmpty)
        {
            checks.Sweep(now);
            return;
        }

        var snapshot = fleet.Current;
        _progress.Begin(_attempts.Select(a => a.Key));
        var drained = stop.IsOver ? null : drains.Choose(_attempts.Select(a => a.Key), snapshot);
        foreach (var (attempt, _) in _attempts)
            Look(attempt, snapshot, drained?.Contains(attempt) == true, now);
        checks.Sweep(now);
    }

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
            // The service stops. Its streams have ended before.
        }
    }

    private void Look(StreamedAttempt attempt, FleetSnapshot snapshot, bool isDrained, long now)
    {
        if (stop.IsOver)
        {
            attempt.GiveUp(Interruption.Stopped);
            return;
        }

        if (IsLostInManagement(attempt, snapshot, now))
        {
            attempt.GiveUp(Interruption.InstanceLost, isFinal: true);
            return;
        }

        var isJudged = attempt.Call.Operation.Kind == OperationKind.Inference && (Settings.Enabled || !attempt.HasBegun);
        if (!isDrained && !isJudged)
            return;
        var facts = Describe(attempt, snapshot, isDrained, isJudged, now);
        if (StallPolicy.Judge(facts, Settings, _liveness) is not { } cause || !(isJudged || cause == Interruption.Drained))
            return;
        if (facts is { Liveness: LivenessState.Loading, HasBegun: false } && cause == Interruption.Stalled)
            loadTimes.AddGivenUp(attempt.Call.Model.Key, attempt.Timeline.SentAt, now, facts.Silence);
        if (facts is { Liveness: LivenessState.Suspect, HasBegun: false } && cause == Interruption.Stalled)
            attempt.Call.Response.WasSuspected = true;
        attempt.GiveUp(cause, isFinal: !facts.CanGoElsewhere);
    }

    /// <summary>Management operations may be silent for a long time, so only the instance's health decides.</summary>
    private bool IsLostInManagement(StreamedAttempt attempt, FleetSnapshot snapshot, long now)
    {
        if (attempt.Call.Operation is not { Kind: OperationKind.Management, UnbufferedBody: false } || Silence(attempt, now) < ManagementSilence)
            return false;
        foreach (var view in snapshot.Instances)
            if (view.Instance == attempt.Lease.Instance)
                return view.Status == InstanceStatus.Unhealthy;
        return false;
    }

    private StallFacts Describe(StreamedAttempt attempt, FleetSnapshot snapshot, bool isDrained, bool isJudged, long now)
    {
        InstanceView? view = null;
        foreach (var candidate in snapshot.Instances)
            if (candidate.Instance == attempt.Lease.Instance)
                view = candidate;
        var last = attempt.Timeline.LastByteAt;
        var messages = attempt.Timeline.Messages;
        var state = attempt.Lease.Placement.State;
        var silence = Silence(attempt, now);
        var liveness = isJudged && silence >= StallPolicy.CheckAfter(attempt.HasBegun, Settings, _liveness)
            ? Check(attempt, now)
            : LivenessState.Unknown;
        return new StallFacts(
            attempt.HasBegun,
            silence,
            messages < 3 ? null : time.GetElapsedTime(attempt.Timeline.FirstByteAt, last) / (messages - 1),
            view?.Status,
            attempt.Lease.WasLoaded,
            double.IsNaN(state.TimeToFirstToken) ? null : TimeSpan.FromSeconds(Math.Max(state.TimeToFirstToken, state.SecondsPerByte * (attempt.Call.Body?.Length ?? 0))),
            attempt.Call.Facts.HasTools,
            CanGoElsewhere(attempt, snapshot, now),
            isDrained)
        {
            Liveness = liveness,
            LoadLimit = liveness == LivenessState.Loading ? loadTimes.Limit(attempt.Call.Model.Key, SizeOf(attempt), attempt.Timeline.SentAt) : default,
            IsServerUp = attempt.Stall?.Liveness?.IsServerUp(now) == true,
            IsUnresumable = attempt.HasBegun && liveness != LivenessState.Unknown && !IsResumable(attempt),
            TotalSilence = attempt.HasBegun ? silence : Max(silence, time.GetElapsedTime(attempt.Call.Response.SilentSince ?? attempt.Call.Response.FirstSentAt ?? attempt.Timeline.SentAt, now)),
            ComesWhole = !attempt.Call.Streams,
            IsSuspicionUsed = attempt.Call.Response.WasSuspected || state.Model.HasWaitingChecks,
            ExpectedPrefill = liveness == LivenessState.Suspect ? _progress.ExpectedPrefill(state) : default,
            EarlierStalls = attempt.Call.Response.Interruptions?.Count(static c => c == Interruption.Stalled) ?? 0,
        };
    }

    /// <summary>A model that was not in memory when the request was sent counts as loading until a check gets a response.</summary>
    private LivenessState Check(StreamedAttempt attempt, long now)
    {
        var known = checks.Check(attempt, now);
        // A stuck engine makes no progress on other responses of the model either.
        if (known is LivenessState.Unresponsive or LivenessState.Suspect or LivenessState.Loading && _progress.HasMoved(attempt, _liveness.CheckTimeout, now))
            return LivenessState.Alive;
        if (known == LivenessState.Suspect)
            attempt.ObserveStall().IsSuspect = true;
        // A check with a response before the request's did not wait for the request.
        if (!attempt.HasBegun && attempt.Stall?.Liveness?.AnsweredAt > attempt.Timeline.SentAt)
            attempt.Lease.Placement.State.Model.HasWaitingChecks = false;
        if (known is not (LivenessState.Unresponsive or LivenessState.Pending or LivenessState.Alive) || attempt.Lease.Instance.OpenAI is not null)
            return known;
        var answeredAt = attempt.Stall?.Liveness?.AnsweredAt ?? 0;
        if (answeredAt > attempt.Timeline.SentAt)
        {
            if (!attempt.Lease.WasLoaded && attempt.TryLearnLoad())
                loadTimes.Add(attempt.Call.Model.Key, SizeOf(attempt), time.GetElapsedTime(attempt.Timeline.SentAt, answeredAt));

            return known;
        }

        // A server responds on other routes while it loads a model.
        var mayLoad = !(attempt.Lease.WasLoaded && attempt.Lease.Placement.State.HasLoadedWeights) && attempt.Stall?.Liveness?.IsServerUp(now) == true;
        return known == LivenessState.Unresponsive && mayLoad ? LivenessState.Loading : known;
    }

    private static bool IsResumable(StreamedAttempt attempt) => attempt.ObserveStall().IsResumable ??= attempt.Peek(static a =>
        a.Call is { Response.Transcript: { } kept, Body: not null }
        && (!kept.HasBegun || (kept.IsWhole && !a.IsBoundToInstance && ResumableRequest.Read(a.Call) is { Obstacle: null })));

    private static TimeSpan Max(TimeSpan a, TimeSpan b) => a > b ? a : b;

    private static long SizeOf(StreamedAttempt attempt) => ModelSize.Of(attempt.Lease.Placement.View, attempt.Call.Model.Key);

    /// <summary>A slow client does not count as silence of the instance.</summary>
    private TimeSpan Silence(StreamedAttempt attempt, long now)
    {
        if (!attempt.HasBegun)
            return time.GetElapsedTime(attempt.Timeline.SentAt, now);
        return attempt.Timeline.ReadingSince is not 0 and var since ? time.GetElapsedTime(since, Math.Max(since, now)) : TimeSpan.Zero;
    }

    private bool CanGoElsewhere(StreamedAttempt attempt, FleetSnapshot snapshot, long now)
    {
        if (!attempt.HasBegun && !attempt.CanRetry)
            return false;
        if (DrainMoves.Find(attempt, snapshot) is not { } model)
            return false;
        foreach (var placement in model.Usable)
            if (placement.Instance != attempt.Lease.Instance && !checks.IsSuspicious(placement.Instance, now))
                return true;
        return false;
    }
}

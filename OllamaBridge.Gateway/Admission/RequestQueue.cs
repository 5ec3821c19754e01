using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Scheduling;
using OllamaBridge.Gateway.Telemetry;

namespace OllamaBridge.Gateway.Admission;

/// <summary>
/// Hands out leases. A request that finds an instance gets it at once and without a lock; one that finds none waits here, first
/// come first served for each model, and is bound when a slot comes free.
/// </summary>
internal sealed class RequestQueue : IDisposable
{
    // Deadlines and patience are looked at this often while somebody waits.
    private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(100);
    // A slot that another request took between decision and grip: decide anew, so often at most.
    private const int MaxGrips = 8;
    private readonly Lock _lock = new();
    private readonly LinkedList<Waiter> _waiters = new();
    private readonly Dictionary<string, int> _models = new(StringComparer.Ordinal);
    // What the first in line for a model met with; whoever stands behind meets with the same.
    private readonly Dictionary<string, SchedulingOutcome> _blocked = new(StringComparer.Ordinal);
    private readonly IFleet _fleet;
    private readonly Scheduler _scheduler;
    private readonly QueueOptions _options;
    private readonly TimeProvider _time;
    private readonly BridgeMetrics _metrics;
    private readonly ITimer _timer;
    private readonly Action _released;
    private readonly Ewma _serviceSeconds = new(0.1);
    private int _count;

    public RequestQueue(IFleet fleet, Scheduler scheduler, IOptions<QueueOptions> options, TimeProvider time, BridgeMetrics metrics)
    {
        _fleet = fleet;
        _scheduler = scheduler;
        _options = options.Value;
        _time = time;
        _metrics = metrics;
        _released = OnReleased;
        _timer = time.CreateTimer(_ => Dispatch(tick: true), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        _fleet.Changed += OnReleased;
        metrics.ObserveQueue(Snapshot);
    }

    /// <summary>How many wait.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>How many may wait.</summary>
    public int Limit => _options.Length;

    /// <summary>Gets a lease, waiting for one if need be.</summary>
    /// <param name="request">What is needed.</param>
    /// <param name="cancellationToken">The client has gone: the place in the queue is given up at once.</param>
    /// <exception cref="OperationCanceledException">The client has gone.</exception>
    public ValueTask<LeaseResult> AcquireAsync(in LeaseRequest request, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var snapshot = _fleet.Current;
        if (Find(snapshot, request.ModelKey) is not { } model)
            return ValueTask.FromResult(RefuseUnknown(snapshot));
        // Whoever came first for this model must not be overtaken.
        if (model.State.Waiting == 0 || !request.NeedsSlot)
        {
            var result = TryGrip(model, request, waited: 0, out var outcome);
            if (result is not null)
                return ValueTask.FromResult(new LeaseResult(result, LeaseRefusal.None, TimeSpan.Zero));
            if (outcome == SchedulingOutcome.AllTried)
                return ValueTask.FromResult(new LeaseResult(null, LeaseRefusal.AllTried, TimeSpan.Zero));
        }

        return WaitAsync(request, model, cancellationToken);
    }

    /// <summary>How long a request occupied a slot, for estimates of when the next comes free.</summary>
    public void RecordService(TimeSpan duration) => _serviceSeconds.Add(duration.TotalSeconds);

    /// <summary>Who waits now: for each model how many, and since when the first.</summary>
    public IReadOnlyList<QueueEntry> Snapshot()
    {
        if (Count == 0)
            return [];
        lock (_lock)
        {
            var now = _time.GetTimestamp();
            return [.. _waiters
                .GroupBy(w => w.Request.ModelKey)
                .Select(g => new QueueEntry(g.Key, g.Count(), _time.GetElapsedTime(g.First().Since, now)))];
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _fleet.Changed -= OnReleased;
        _timer.Dispose();
    }

    private static ModelView? Find(FleetSnapshot snapshot, string key) =>
        key.Length == 0 ? snapshot.Anything : snapshot.Models.GetValueOrDefault(key);

    private LeaseResult RefuseUnknown(FleetSnapshot snapshot) =>
        snapshot.Instances.IsEmpty ? new LeaseResult(null, LeaseRefusal.NoInstances, TimeSpan.FromSeconds(5))
        : snapshot.AnyCatalogKnown ? new LeaseResult(null, LeaseRefusal.UnknownModel, TimeSpan.Zero)
        : new LeaseResult(null, LeaseRefusal.NoneHealthy, RetryAfter());

    private InstanceLease? TryGrip(ModelView model, in LeaseRequest request, long waited, out SchedulingOutcome outcome)
    {
        var started = request.Span is null ? default : _time.GetUtcNow();
        for (var grip = 0; grip < MaxGrips; grip++)
        {
            var decision = _scheduler.Decide(new SchedulingRequest(
                model, request.Affinity, request.Tried, request.Only, request.NeedsSlot, _time.GetTimestamp(), waited));
            outcome = decision.Outcome;
            if (decision.Placement is not { } placement)
                return null;
            if ((request.NeedsSlot ? InstanceLease.TryTake(placement, _released, _time) : InstanceLease.WithoutSlot(placement, _time)) is { } lease)
            {
                BridgeTracing.RecordDecision(request.Span, started, model, lease);
                return lease;
            }
        }

        outcome = SchedulingOutcome.Busy;
        return null;
    }

    private async ValueTask<LeaseResult> WaitAsync(LeaseRequest request, ModelView model, CancellationToken cancellationToken)
    {
        Waiter waiter;
        lock (_lock)
        {
            // Who is sent again had its place already.
            if (_waiters.Count >= _options.Length && request.Tried is null)
                return new LeaseResult(null, LeaseRefusal.QueueFull, RetryAfter());
            waiter = new Waiter(request, model.State, _time.GetTimestamp());
            // Who was failed by an instance has waited its turn already.
            waiter.Node = request.Tried is null ? _waiters.AddLast(waiter) : _waiters.AddFirst(waiter);
            _models[request.ModelKey] = _models.GetValueOrDefault(request.ModelKey) + 1;
            model.State.AddWaiting(1);
            if (Interlocked.Increment(ref _count) == 1)
                _timer.Change(Tick, Tick);
            // A slot may have come free before the count was seen.
            DispatchLocked(tick: false);
        }

        await using var gone = cancellationToken.UnsafeRegister(
            static (state, token) => ((Action<CancellationToken>)state!)(token),
            (Action<CancellationToken>)(token => Leave(waiter, token)));
        try
        {
            return await waiter.Result;
        }
        finally
        {
            _metrics.RecordQueueWait(model.Key, _time.GetElapsedTime(waiter.Since));
        }
    }

    private void Leave(Waiter waiter, CancellationToken token)
    {
        lock (_lock)
        {
            if (!Remove(waiter))
                return;
        }

        waiter.Cancel(token);
    }

    private void OnReleased()
    {
        if (Volatile.Read(ref _count) > 0)
            Dispatch(tick: false);
    }

    private void Dispatch(bool tick)
    {
        lock (_lock)
            DispatchLocked(tick);
    }

    /// <summary>Goes through the waiting in the order in which they came. Behind one that must wait on, no other for the same model is tried.</summary>
    /// <param name="tick">Whether to look at everybody's deadline; else it ends where nobody further can be served.</param>
    private void DispatchLocked(bool tick)
    {
        var snapshot = _fleet.Current;
        var now = _time.GetTimestamp();
        _blocked.Clear();
        for (var node = _waiters.First; node is not null && (tick || _blocked.Count < _models.Count);)
        {
            var waiter = node.Value;
            node = node.Next;
            var blocked = _blocked.TryGetValue(waiter.Request.ModelKey, out var outcome);
            if (TryComplete(waiter, snapshot, now, blocked, ref outcome) is { } result)
            {
                Remove(waiter);
                waiter.Complete(result);
            }
            else if (!blocked && waiter.Request.Tried is null)
            {
                _blocked.Add(waiter.Request.ModelKey, outcome);
            }
        }
    }

    /// <param name="waiter">Who waits.</param>
    /// <param name="snapshot">The fleet.</param>
    /// <param name="now">The time.</param>
    /// <param name="blocked">Whether another stands before it for the same model.</param>
    /// <param name="outcome">What that other met with; receives what this one meets with.</param>
    private LeaseResult? TryComplete(Waiter waiter, FleetSnapshot snapshot, long now, bool blocked, ref SchedulingOutcome outcome)
    {
        if (Find(snapshot, waiter.Request.ModelKey) is not { } model)
            return RefuseUnknown(snapshot);
        var waited = now - waiter.Since;
        if (!blocked && TryGrip(model, waiter.Request, waited, out outcome) is { } lease)
            return new LeaseResult(lease, LeaseRefusal.None, TimeSpan.Zero);
        if (outcome == SchedulingOutcome.AllTried)
            return new LeaseResult(null, LeaseRefusal.AllTried, TimeSpan.Zero);
        if (_time.GetElapsedTime(waiter.Since, now) >= _options.MaxWait)
            return new LeaseResult(null, LeaseRefusal.WaitedTooLong, RetryAfter());
        if (outcome != SchedulingOutcome.NoneUsable)
            waiter.WithoutInstanceSince = 0;
        else if (waiter.WithoutInstanceSince == 0)
            waiter.WithoutInstanceSince = now;
        return waiter.WithoutInstanceSince != 0
            && _time.GetElapsedTime(waiter.WithoutInstanceSince, now) >= _options.MaxWaitWithoutInstance
                ? new LeaseResult(null, LeaseRefusal.NoneHealthy, RetryAfter())
                : null;
    }

    private bool Remove(Waiter waiter)
    {
        if (waiter.Node is not { } node)
            return false;
        waiter.Node = null;
        _waiters.Remove(node);
        waiter.Model.AddWaiting(-1);
        var key = waiter.Request.ModelKey;
        if (--_models[key] == 0)
            _models.Remove(key);
        if (Interlocked.Decrement(ref _count) == 0)
            _timer.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        return true;
    }

    /// <summary>When a place may be free: the queue's length over the slots, times what a request takes; 1 to 60 s.</summary>
    private TimeSpan RetryAfter()
    {
        var slots = 0;
        foreach (var instance in _fleet.Current.Instances)
            if (instance.IsUsable)
                slots += instance.Instance.Slots;
        var service = _serviceSeconds.Value;
        var seconds = double.IsNaN(service) || slots == 0 ? 1 : service * (Count + 1) / slots;
        return TimeSpan.FromSeconds(Math.Clamp(Math.Ceiling(seconds), 1, 60));
    }
}

/// <summary>What waits for one model.</summary>
/// <param name="Model">Canonical name; empty where any instance will do.</param>
/// <param name="Waiting">How many.</param>
/// <param name="Oldest">How long the first has waited.</param>
internal readonly record struct QueueEntry(string Model, int Waiting, TimeSpan Oldest);

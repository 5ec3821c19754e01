using System.Collections.Concurrent;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Common;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Quotas;
using OllamaBridge.Gateway.Scheduling;
using OllamaBridge.Gateway.Shutdown;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Queueing;

/// <summary>
/// Grants leases. A request gets a lease at once if an instance has a free slot. Otherwise it waits here until a slot becomes free. For each model,
/// the tenant that has received the least service goes first; a tenant's own requests are served in order of arrival.
/// </summary>
/// <remarks>The order is decided by <see cref="FairShare"/>, the requests to remove from a full queue by <see cref="LoadSheddingPolicy"/>.</remarks>
internal sealed partial class RequestQueue : IDisposable
{
    // The interval for checking deadlines and waits while requests wait.
    private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(100);
    // Another request may take the slot between the decision and the lease. The maximum number of decisions in such a race.
    private const int MaxGrips = 8;
    private readonly Lock _lock = new();
    // All models that were requested and still exist; changed under the lock.
    private readonly ConcurrentDictionary<QueueKey, ModelQueue> _queues = new();
    // The queues of models with waiting requests.
    private readonly List<ModelQueue> _busy = [];
    private readonly IFleet _fleet;
    private readonly Scheduler _scheduler;
    private readonly IOptions<QueueOptions> _options;
    private readonly TimeProvider _time;
    private readonly QueueMetrics _metrics;
    private readonly ITimer _timer;
    private readonly Action _released;
    private readonly Ewma _serviceSeconds = new(0.1);
    private readonly ConversationAffinity _places;
    private long _arrivals;
    private int _count;
    private bool _isClosed;

    public RequestQueue(
        IFleet fleet, Scheduler scheduler, IOptions<QueueOptions> options, TimeProvider time, QueueMetrics metrics, ConversationAffinity? places = null)
    {
        _places = places ?? new ConversationAffinity();
        _fleet = fleet;
        _scheduler = scheduler;
        _options = options;
        _time = time;
        _metrics = metrics;
        _released = OnReleased;
        _timer = time.CreateTimer(_ => Dispatch(tick: true), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        _fleet.Changed += OnFleetChanged;
        metrics.ObserveQueue(() => QueueDescription.Lines(Describe()));
    }

    private QueueOptions Settings => _options.Value;

    private TokenPrices Prices => new(Settings.InputTokenWeight, Settings.OutputTokenWeight);

    private long Patience => (long)(Settings.BatchPatience.TotalSeconds * _time.TimestampFrequency);

    public int Count => Volatile.Read(ref _count);

    public int Limit => Settings.Length;

    /// <summary>Gets a lease, and waits for it if necessary.</summary>
    /// <param name="request">The request's requirements.</param>
    /// <param name="cancellationToken">Canceled when the client disconnects; the request leaves the queue at once.</param>
    /// <exception cref="OperationCanceledException">The client disconnected.</exception>
    public ValueTask<LeaseResult> AcquireAsync(in LeaseRequest request, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var snapshot = _fleet.Current.For(request.Tenant?.Instances);
        if (request.Find(snapshot, out var isOtherDigest) is not { } model)
            return ValueTask.FromResult(isOtherDigest ? new LeaseResult(null, LeaseRefusal.AllTried, TimeSpan.Zero) : RefuseUnknown(snapshot, request));
        var key = request.QueueOf(model);
        if (request.Deadline != 0 && _time.GetTimestamp() >= request.Deadline)
            return ValueTask.FromResult(new LeaseResult(null, LeaseRefusal.DeadlinePassed, RetryAfter()));
        // A new request must not overtake waiting requests for the same model on the same instances.
        if (model.State.Waiting == 0 || !request.NeedsSlot || Queue(key).Count == 0)
        {
            var result = TryGrip(model, request, waited: 0, out var outcome);
            if (result is not null)
                return ValueTask.FromResult(new LeaseResult(result, LeaseRefusal.None, TimeSpan.Zero) { Charge = Charge(request, key), Queue = key });
            // If a tier can be started, other regions are not the only alternative.
            if (outcome == SchedulingOutcome.AllTried && !model.IsAsleep)
                return ValueTask.FromResult(new LeaseResult(null, LeaseRefusal.AllTried, TimeSpan.Zero));
        }

        return WaitAsync(request, key, model, cancellationToken);
    }

    /// <summary>Records how long a request occupied a slot, for estimates of waits. A null <paramref name="key"/> counts for all models only.</summary>
    public void RecordService(TimeSpan duration, QueueKey? key = null)
    {
        _serviceSeconds.Add(duration.TotalSeconds);
        if (key is { } known && _queues.TryGetValue(known, out var queue))
            queue.Service.Add(duration.TotalSeconds);
    }

    /// <summary>The service that a tenant has received of a model: weighted tokens divided by its weight; null if not remembered.</summary>
    public double? ServiceOf(QueueKey key, string tenant, Priority priority) =>
        _queues.TryGetValue(key, out var queue) ? queue[priority].Counters.ValueOf(tenant) : null;

    /// <summary>Describes the waiting requests of each model, the longest wait first.</summary>
    public IReadOnlyList<QueueDescription> Describe()
    {
        if (Count == 0)
            return [];
        lock (_lock)
        {
            var now = _time.GetTimestamp();
            return [.. _busy
                .Select(queue => QueueDescription.Of(queue, since => _time.GetElapsedTime(since, now), EstimatedWait(queue, queue.Count + 1)))
                .OrderByDescending(d => d.Entry.Oldest)];
        }
    }

    public void Dispose()
    {
        _fleet.Changed -= OnFleetChanged;
        _timer.Dispose();
    }

    private LeaseResult RefuseUnknown(FleetSnapshot snapshot, in LeaseRequest request) =>
        snapshot.Instances.IsEmpty ? new LeaseResult(null, LeaseRefusal.NoInstances, TimeSpan.FromSeconds(5))
        : request.ModelKey.Length == 0 ? new LeaseResult(null, LeaseRefusal.NotServed, TimeSpan.Zero)
        : snapshot.AnyCatalogKnown ? new LeaseResult(null, LeaseRefusal.UnknownModel, TimeSpan.Zero)
        : new LeaseResult(null, LeaseRefusal.NoneHealthy, RetryAfter());

    private InstanceLease? TryGrip(ModelView model, in LeaseRequest request, long waited, out SchedulingOutcome outcome)
    {
        var started = request.Span is null ? default : _time.GetWallClock();
        var place = request.NeedsSlot ? _places.Find(request.Affinity, request.ModelKey) : null;
        for (var grip = 0; grip < MaxGrips; grip++)
        {
            var decision = _scheduler.Decide(new SchedulingRequest(
                model, request.Affinity, request.Tried, request.Only, request.NeedsSlot, _time.GetTimestamp(), waited)
            {
                NoRetry = request.NoRetry,
                Home = request.Home,
                Stays = request.Stays,
                Place = place,
                Bytes = request.Bytes,
            });
            outcome = decision.Outcome;
            if (decision.Placement is not { } placement)
                return null;
            if ((request.NeedsSlot ? InstanceLease.TryTake(placement, _released, _time, decision.GoSlowly, decision.Spill) : InstanceLease.WithoutSlot(placement, _time)) is { } lease)
            {
                // A retry uses another instance once; the conversation's next request returns to the instance before.
                if (request.NeedsSlot && request.Tried is not { Count: > 0 })
                    _places.Note(request.Affinity, request.ModelKey, lease.Instance);
                QueueTracing.RecordDecision(request.Span, started, model, lease);
                return lease;
            }
        }

        outcome = SchedulingOutcome.Busy;
        return null;
    }

    /// <summary>Charges a request that did not wait.</summary>
    private TokenCharge Charge(in LeaseRequest request, in QueueKey key)
    {
        if (!request.NeedsSlot || request.Charged)
            return default;
        var tenant = request.Tenant ?? Tenant.Anonymous;
        var weight = ClassQueue.Weight(tenant);
        var counters = Queue(key)[request.Priority].Counters;
        var counter = counters.Admit(tenant.Id, TokenCharge.Cost(request.InputTokens, Prices, weight), Prices.Output / weight, out var expected);
        return new TokenCharge(counters, counter, Prices, weight, request.InputTokens, expected);
    }

    private ModelQueue Queue(in QueueKey key) => _queues.TryGetValue(key, out var queue) ? queue : _queues.GetOrAdd(key, static k => new ModelQueue(k));

    private async ValueTask<LeaseResult> WaitAsync(LeaseRequest request, QueueKey key, ModelView model, CancellationToken cancellationToken)
    {
        Waiter waiter;
        lock (_lock)
        {
            var queue = Queue(key);
            if (_isClosed)
                return new LeaseResult(null, LeaseRefusal.Stopped, GracefulStop.RetryAfter);
            // A retry already had its place in the queue.
            if (request.Tried is null && Refuse(request, queue) is { } refusal)
                return refusal;
            waiter = new Waiter(request, queue, model.State, _time.GetTimestamp(), ++_arrivals) { Tier = model.Tier };
            if (queue.Count == 0)
                _busy.Add(queue);
            queue.Add(waiter);
            if (request.Ticket is { } ticket)
                ticket.Waiter = waiter;
            model.State.AddWaiting(1);
            if (Interlocked.Increment(ref _count) == 1)
                _timer.Change(Tick, Tick);
            // A slot may have become free before the count was visible to OnReleased.
            DispatchLocked(tick: false);
        }

        if (model is { IsAsleep: true, Tier: { } tier } && !waiter.Result.IsCompleted)
        {
            QueueTracing.RecordActivation(request.Span, tier);
            Starved?.Invoke(tier);
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
            _metrics.RecordQueueWait(model.Key, waiter.Tenant.Id, _time.GetElapsedTime(waiter.Since));
        }
    }

    private void Leave(Waiter waiter, CancellationToken token)
    {
        lock (_lock)
        {
            if (waiter.Node is null)
                return;
            Remove(waiter, served: false);
        }

        waiter.Cancel(token);
    }

    private void OnReleased()
    {
        if (Volatile.Read(ref _count) > 0)
            Dispatch(tick: false);
    }

    private void OnFleetChanged()
    {
        Forget();
        OnReleased();
    }

    /// <summary>Drops the queues of models that no longer exist.</summary>
    private void Forget()
    {
        var models = _fleet.Current.Models;
        if (_queues.Count <= models.Count + 1)
            return;
        lock (_lock)
            foreach (var (key, queue) in _queues)
                if (key.Model.Length > 0 && queue.Count == 0 && !models.ContainsKey(key.Model))
                    _queues.TryRemove(key, out _);
    }

    private void Dispatch(bool tick)
    {
        lock (_lock)
            DispatchLocked(tick);
    }

    /// <summary>Serves the waiting requests that can be served. If the next request of a model must wait, no request behind it is tried.</summary>
    /// <param name="tick">Whether to check all deadlines, too.</param>
    private void DispatchLocked(bool tick)
    {
        var snapshot = _fleet.Current;
        var now = _time.GetTimestamp();
        for (var i = _busy.Count - 1; i >= 0; i--)
        {
            var queue = _busy[i];
            if (tick && queue[Priority.Batch].Count > 0)
                queue.Promote(now - Patience);
            for (var node = queue.Front.First; node is not null;)
            {
                var waiter = node.Value;
                node = node.Next;
                SchedulingOutcome outcome = default;
                End(waiter, Serve(waiter, snapshot, now, waiter.Since, ref outcome));
            }

            queue.Blocked = null;
            queue.Choose();
        }

        while (FirstToCome() is { Next: { } waiter } queue)
        {
            SchedulingOutcome outcome = default;
            // The wait of the whole class decides whether another model may be evicted, not the wait of the request that is next.
            if (!End(waiter, Serve(waiter, snapshot, now, queue[waiter.Class].OldestSince(), ref outcome)))
                queue.Blocked = outcome;
            else
                queue.Choose();
        }

        if (tick)
            EndOverdue(snapshot, now);
    }

    /// <summary>Of the models whose next request has not been tried, selects the one whose next request arrived first.</summary>
    private ModelQueue? FirstToCome()
    {
        ModelQueue? first = null;
        foreach (var queue in _busy)
            if (queue is { Blocked: null, Next: { } next } && (first is null || next.Order < first.Next!.Order))
                first = queue;
        return first;
    }

    /// <summary>Ends the waits, other than those of the next requests, that are over.</summary>
    private void EndOverdue(FleetSnapshot snapshot, long now)
    {
        List<(Waiter Waiter, LeaseResult Result)>? over = null;
        foreach (var queue in _busy)
            for (var priority = Priority.Interactive; priority <= Priority.Batch; priority++)
                foreach (var line in queue[priority].Lines)
                    foreach (var waiter in line.Waiters)
                        if (waiter != queue.Next && Overdue(waiter, now, queue.Blocked ?? SchedulingOutcome.Busy) is { } result)
                            (over ??= []).Add((waiter, result));
        foreach (var (waiter, result) in over ?? [])
            End(waiter, result);
    }

    /// <remarks><paramref name="since"/> is the start, in ticks, of the wait that counts for the scheduler's SpillAfter and SwapAfter.</remarks>
    /// <returns>Null if the request must continue to wait.</returns>
    private LeaseResult? Serve(Waiter waiter, FleetSnapshot snapshot, long now, long since, ref SchedulingOutcome outcome)
    {
        snapshot = snapshot.For(waiter.Request.Tenant?.Instances);
        if (waiter.Request.Find(snapshot, out var isOtherDigest) is not { } model)
            return isOtherDigest ? new LeaseResult(null, LeaseRefusal.AllTried, TimeSpan.Zero) : RefuseUnknown(snapshot, waiter.Request);
        if (IsPast(waiter, now))
            return Overdue(waiter, now, SchedulingOutcome.Busy);
        if (TryGrip(model, waiter.Request, now - since, out outcome) is { } lease)
            return new LeaseResult(lease, LeaseRefusal.None, TimeSpan.Zero);
        // Although instances of other regions are busy, this region's tier is being started, and the start timeout applies.
        if (model.IsAsleep)
            outcome = SchedulingOutcome.NoneUsable;
        if (outcome == SchedulingOutcome.AllTried)
            return new LeaseResult(null, LeaseRefusal.AllTried, TimeSpan.Zero);
        return Overdue(waiter, now, outcome);
    }

    private LeaseResult? Overdue(Waiter waiter, long now, SchedulingOutcome outcome)
    {
        if (IsPast(waiter, now))
            return Refused(LeaseRefusal.DeadlinePassed, waiter);
        if (waiter.Request.GiveWay is { } giveWay && _time.GetElapsedTime(waiter.Since, now) >= Settings.FallbackAfter && giveWay())
            return new LeaseResult(null, LeaseRefusal.GaveWay, TimeSpan.Zero);
        var without = NoteInstance(waiter, now, outcome);
        if (_time.GetElapsedTime(waiter.Since, now) - (waiter.Tier is null ? TimeSpan.Zero : waiter.Started + without) >= Settings.MaxWait)
            return Refused(LeaseRefusal.WaitedTooLong, waiter);
        if (waiter.WithoutInstanceSince == 0)
            return null;
        // If instances of the tier exist, but are ejected after failures, the tier is not being started.
        return waiter.Tier is { } tier && Wanted(waiter.Queue) is { IsAsleep: true }
            ? waiter.Started + without >= tier.StartTimeout ? new LeaseResult(null, LeaseRefusal.NotStarted, RetryAfter()) : null
            : without >= Settings.MaxWaitWithoutInstance ? new LeaseResult(null, LeaseRefusal.NoneHealthy, RetryAfter()) : null;
    }

    private static bool IsPast(Waiter waiter, long now) => waiter.Request.Deadline != 0 && now >= waiter.Request.Deadline;

    /// <returns>Whether the wait ended.</returns>
    private bool End(Waiter waiter, LeaseResult? result)
    {
        if (result is not { } ended)
            return false;
        waiter.Complete(ended with { Charge = Remove(waiter, served: ended.Lease is not null), Queue = waiter.Queue.Key });
        return true;
    }

    /// <returns>The charge to the request's tenant.</returns>
    private TokenCharge Remove(Waiter waiter, bool served)
    {
        TokenCharge charge = default;
        var queue = waiter.Queue;
        var request = waiter.Request;
        if (waiter.Line is { } line)
        {
            var counters = queue[waiter.Class].Counters;
            if (!served || request.Charged)
            {
                counters.Leave(line.Tokens);
            }
            else
            {
                var weight = ClassQueue.Weight(waiter.Tenant);
                var expected = counters.Serve(line.Tokens, TokenCharge.Cost(request.InputTokens, Prices, weight), Prices.Output / weight);
                charge = new TokenCharge(counters, line.Tokens, Prices, weight, request.InputTokens, expected);
            }
        }
        else if (served)
        {
            charge = Charge(request, queue.Key);
        }

        queue.Remove(waiter);
        if (queue.Count == 0)
            _busy.Remove(queue);
        waiter.Model.AddWaiting(-1);
        if (Interlocked.Decrement(ref _count) == 0)
            _timer.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        return charge;
    }
}

using System.Collections.Concurrent;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Common;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Identity;
using OllamaBridge.Gateway.Scheduling;
using OllamaBridge.Gateway.Shutdown;
using OllamaBridge.Gateway.Telemetry;

namespace OllamaBridge.Gateway.Admission;

/// <summary>
/// Hands out leases. A request that finds an instance gets it at once; one that finds none waits here and is bound when a slot comes
/// free: for each model, the tenant that has had the least of it goes first, and who came first among a tenant's own.
/// </summary>
/// <remarks>Who is next, and who must go where the queue is full, is decided elsewhere: <see cref="FairShare"/>, <see cref="ShedOrder"/>.</remarks>
internal sealed partial class RequestQueue : IDisposable
{
    // Deadlines and patience are looked at this often while somebody waits.
    private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(100);
    // A slot that another request took between decision and grip: decide anew, so often at most.
    private const int MaxGrips = 8;
    private readonly Lock _lock = new();
    // Every model that was ever asked for and is still there; changed under the lock.
    private readonly ConcurrentDictionary<QueueKey, ModelQueue> _queues = new();
    // Those of them for which somebody waits.
    private readonly List<ModelQueue> _busy = [];
    private readonly IFleet _fleet;
    private readonly Scheduler _scheduler;
    private readonly IOptions<QueueOptions> _options;
    private readonly TimeProvider _time;
    private readonly BridgeMetrics _metrics;
    private readonly ITimer _timer;
    private readonly Action _released;
    private readonly Ewma _serviceSeconds = new(0.1);
    private readonly ConversationPlaces _places;
    private long _arrivals;
    private int _count;
    private bool _isClosed;

    public RequestQueue(
        IFleet fleet, Scheduler scheduler, IOptions<QueueOptions> options, TimeProvider time, BridgeMetrics metrics, ConversationPlaces? places = null)
    {
        _places = places ?? new ConversationPlaces();
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

    /// <summary>How many wait.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>How many may wait.</summary>
    public int Limit => Settings.Length;

    /// <summary>Gets a lease, waiting for one if need be.</summary>
    /// <param name="request">What is needed.</param>
    /// <param name="cancellationToken">The client has gone: the place in the queue is given up at once.</param>
    /// <exception cref="OperationCanceledException">The client has gone.</exception>
    public ValueTask<LeaseResult> AcquireAsync(in LeaseRequest request, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var snapshot = _fleet.Current.For(request.Tenant?.Instances);
        if (request.Find(snapshot, out var isOtherDigest) is not { } model)
            return ValueTask.FromResult(isOtherDigest ? new LeaseResult(null, LeaseRefusal.AllTried, TimeSpan.Zero) : RefuseUnknown(snapshot, request));
        var key = request.QueueOf(model);
        if (request.Deadline != 0 && _time.GetTimestamp() >= request.Deadline)
            return ValueTask.FromResult(new LeaseResult(null, LeaseRefusal.DeadlinePassed, RetryAfter()));
        // Whoever came first for this model, and may use the same instances, must not be overtaken.
        if (model.State.Waiting == 0 || !request.NeedsSlot || Queue(key).Count == 0)
        {
            var result = TryGrip(model, request, waited: 0, out var outcome);
            if (result is not null)
                return ValueTask.FromResult(new LeaseResult(result, LeaseRefusal.None, TimeSpan.Zero) { Charge = Charge(request, key), Queue = key });
            // (Where a tier can be started, other regions are not all there is to try.)
            if (outcome == SchedulingOutcome.AllTried && !model.IsAsleep)
                return ValueTask.FromResult(new LeaseResult(null, LeaseRefusal.AllTried, TimeSpan.Zero));
        }

        return WaitAsync(request, key, model, cancellationToken);
    }

    /// <summary>How long a request occupied a slot, for estimates of when the next comes free.</summary>
    /// <param name="duration">How long.</param>
    /// <param name="key">In which queue it would have waited; null where that is not to be told apart.</param>
    public void RecordService(TimeSpan duration, QueueKey? key = null)
    {
        _serviceSeconds.Add(duration.TotalSeconds);
        if (key is { } known && _queues.TryGetValue(known, out var queue))
            queue.Service.Add(duration.TotalSeconds);
    }

    /// <summary>What a tenant has had of a model: weighted tokens over its weight; null where it is not remembered.</summary>
    public double? ServiceOf(QueueKey key, string tenant, Priority priority) =>
        _queues.TryGetValue(key, out var queue) ? queue[priority].Counters.ValueOf(tenant) : null;

    /// <summary>Who waits now: for each model how many, of which tenants and classes, and since when the first.</summary>
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

    /// <inheritdoc/>
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
                // One that an instance has failed goes elsewhere for once; its conversation does not move with it.
                if (request.NeedsSlot && request.Tried is not { Count: > 0 })
                    _places.Note(request.Affinity, request.ModelKey, lease.Instance);
                BridgeTracing.RecordDecision(request.Span, started, model, lease);
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
            // Who is sent again had its place already.
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
            // A slot may have come free before the count was seen.
            DispatchLocked(tick: false);
        }

        if (model is { IsAsleep: true, Tier: { } tier } && !waiter.Result.IsCompleted)
        {
            BridgeTracing.RecordActivation(request.Span, tier);
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

    /// <summary>Drops what was kept for models that are gone.</summary>
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

    /// <summary>Serves whom it can. Behind one that must wait on, no other for the same model is tried.</summary>
    /// <param name="tick">Whether to look at everybody's deadline; else it ends where nobody further can be served.</param>
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
            // How long a class has gone unserved is what it may throw another model out for, whoever's turn it is.
            if (!End(waiter, Serve(waiter, snapshot, now, queue[waiter.Class].OldestSince(), ref outcome)))
                queue.Blocked = outcome;
            else
                queue.Choose();
        }

        if (tick)
            EndOverdue(snapshot, now);
    }

    /// <summary>Of the models whose next in line has not been tried, the one whose next came first.</summary>
    private ModelQueue? FirstToCome()
    {
        ModelQueue? first = null;
        foreach (var queue in _busy)
            if (queue is { Blocked: null, Next: { } next } && (first is null || next.Order < first.Next!.Order))
                first = queue;
        return first;
    }

    /// <summary>Ends the wait of those behind the first whose time is over.</summary>
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

    /// <param name="waiter">Who waits.</param>
    /// <param name="snapshot">The fleet.</param>
    /// <param name="now">The time.</param>
    /// <param name="since">Since when somebody has waited in vain, for the scheduler's patience.</param>
    /// <param name="outcome">Receives what it meets with.</param>
    /// <returns>Null where it must wait on.</returns>
    private LeaseResult? Serve(Waiter waiter, FleetSnapshot snapshot, long now, long since, ref SchedulingOutcome outcome)
    {
        snapshot = snapshot.For(waiter.Request.Tenant?.Instances);
        if (waiter.Request.Find(snapshot, out var isOtherDigest) is not { } model)
            return isOtherDigest ? new LeaseResult(null, LeaseRefusal.AllTried, TimeSpan.Zero) : RefuseUnknown(snapshot, waiter.Request);
        if (IsPast(waiter, now))
            return Overdue(waiter, now, SchedulingOutcome.Busy);
        if (TryGrip(model, waiter.Request, now - since, out outcome) is { } lease)
            return new LeaseResult(lease, LeaseRefusal.None, TimeSpan.Zero);
        // Whatever other regions say, this one's tier is being started, and may take as long as that takes.
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
        // One whose instances are there, but left alone for their failures, is not being started.
        return waiter.Tier is { } tier && Wanted(waiter.Queue) is { IsAsleep: true }
            ? waiter.Started + without >= tier.StartTimeout ? new LeaseResult(null, LeaseRefusal.NotStarted, RetryAfter()) : null
            : without >= Settings.MaxWaitWithoutInstance ? new LeaseResult(null, LeaseRefusal.NoneHealthy, RetryAfter()) : null;
    }

    private static bool IsPast(Waiter waiter, long now) => waiter.Request.Deadline != 0 && now >= waiter.Request.Deadline;

    /// <returns>Whether the wait is over.</returns>
    private bool End(Waiter waiter, LeaseResult? result)
    {
        if (result is not { } ended)
            return false;
        waiter.Complete(ended with { Charge = Remove(waiter, served: ended.Lease is not null), Queue = waiter.Queue.Key });
        return true;
    }

    /// <returns>What its tenant was charged.</returns>
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

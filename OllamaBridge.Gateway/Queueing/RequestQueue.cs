using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Scheduling;

namespace OllamaBridge.Gateway.Queueing;

/// <summary>Grants leases; a request waits here until a slot becomes free. For each model, the tenant that has received the least service goes first; a
/// tenant's own requests are served in order of arrival.</summary>
internal sealed class RequestQueue : IDisposable
{
    // The interval for checking deadlines and waits while requests wait.
    private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(100);
    private readonly Lock _lock = new();
    private readonly ModelQueues _queues;
    private readonly IFleet _fleet;
    private readonly LeaseAllocator _leases;
    private readonly IOptions<QueueOptions> _options;
    private readonly TimeProvider _time;
    private readonly QueueMetrics _metrics;
    private readonly ITimer _timer;
    private readonly WaitEstimator _estimates;
    private readonly RefusalFactory _refusals;
    private readonly ChargeFactory _charges;
    private readonly QueueDispatcher _dispatcher;
    private long _arrivals;
    private bool _isClosed;

    public RequestQueue(
        IFleet fleet, LeaseAllocator leases, ModelQueues queues, IOptions<QueueOptions> options, TimeProvider time, QueueMetrics metrics)
    {
        _fleet = fleet;
        _leases = leases;
        _queues = queues;
        _options = options;
        _time = time;
        _metrics = metrics;
        _estimates = new WaitEstimator(fleet);
        _refusals = new RefusalFactory(queues, _estimates);
        _charges = new ChargeFactory(options);
        _dispatcher = new QueueDispatcher(queues, leases, _refusals, _charges, options, time);
        _timer = time.CreateTimer(_ => OnTick(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        _fleet.Changed += OnFleetChanged;
        _leases.Released += OnReleased;
        metrics.ObserveQueue(() => QueueDescription.Lines(Describe()));
    }

    /// <summary>Raised when a request starts to wait that no running instance can serve, so that its model's tier must be started.</summary>
    public event Action<ColdTier>? Starved;

    public int Count => _queues.Count;

    public int Limit => Settings.Length;

    private QueueOptions Settings => _options.Value;

    /// <summary>Gets a lease, and waits for it if necessary. On cancellation the request leaves the queue at once.</summary>
    public ValueTask<LeaseResult> AcquireAsync(in LeaseRequest request, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var snapshot = _fleet.Current;
        if (request.Find(snapshot, out var isOtherDigest) is not { } model)
            return ValueTask.FromResult(_refusals.WithoutModel(request, snapshot, isOtherDigest));
        var key = request.QueueOf(model);
        if (request.Wait.Deadline != 0 && _time.GetTimestamp() >= request.Wait.Deadline)
            return ValueTask.FromResult(_refusals.Create(LeaseRefusal.DeadlinePassed));
        // A new request must not overtake waiting requests for the same model on the same instances.
        if (model.State.Waiting == 0 || !request.NeedsSlot || _queues.Get(key).Count == 0)
        {
            if (_leases.TryTake(model, request, waited: 0, out var outcome) is { } lease)
                return ValueTask.FromResult(new LeaseResult(lease, LeaseRefusal.None, TimeSpan.Zero) { Charge = _charges.Charge(request, _queues.Get(key)), Queue = key });
            // If a tier can be started, other regions are not the only alternative.
            if (outcome == SchedulingOutcome.AllTried && !model.IsAsleep)
                return ValueTask.FromResult(_refusals.Create(LeaseRefusal.AllTried));
        }

        return WaitAsync(request, key, model, cancellationToken);
    }

    /// <summary>Takes a lease on another instance for a request whose first instance, in <see cref="InstanceRules.Tried"/>, is slow; null if a request waits
    /// for a slot, or no slot is free on an instance with the model in memory. The tenant is not charged.</summary>
    public InstanceLease? TryHedge(in LeaseRequest request) =>
        AnyWaitsForASlot() || request.Find(_fleet.Current, out _) is not { } model ? null : _leases.TryTakeLoaded(model, request);

    /// <summary>Records how long a request occupied a slot, for estimates of waits. A null <paramref name="key"/> counts for all models only.</summary>
    public void RecordService(TimeSpan duration, QueueKey? key = null) => _estimates.RecordService(duration, key is { } known ? _queues.Find(known) : null);

    public QueuePlace? Locate(QueueTicket? ticket)
    {
        if (ticket is null)
            return null;
        lock (_lock)
        {
            if (ticket.Waiter is not { Node: not null } waiter)
                return null;
            var position = waiter.Queue.Position(waiter.Tenant, waiter.Class, waiter);
            return new QueuePlace(position, _estimates.WaitAt(waiter.Queue, position));
        }
    }

    /// <summary>Describes the waiting requests of each model, the longest wait first.</summary>
    public IReadOnlyList<QueueDescription> Describe()
    {
        if (Count == 0)
            return [];
        lock (_lock)
        {
            var now = _time.GetTimestamp();
            return [.. _queues.Busy
                .Select(queue => QueueDescription.Of(queue, since => _time.GetElapsedTime(since, now), _estimates.WaitAt(queue, queue.Count + 1)))
                .OrderByDescending(d => d.Entry.Oldest)];
        }
    }

    public TierDemand DemandOn(ColdTier tier)
    {
        if (Count == 0)
            return default;
        lock (_lock)
            return TierDemand.Of(tier, _queues.Busy, _fleet.Current);
    }

    /// <summary>Refuses the waiting requests for a tier that will not be started, unless another region can serve them.</summary>
    public void RefuseStarving(ColdTier tier, TimeSpan retryAfter)
    {
        lock (_lock)
            foreach (var queue in TierDemand.StarvingQueues(tier, _queues.Busy, _fleet.Current))
                _dispatcher.EndAll(queue, new LeaseResult(null, LeaseRefusal.StartRefused, retryAfter));
    }

    public void Close()
    {
        lock (_lock)
        {
            _isClosed = true;
            foreach (var queue in _queues.Busy.ToArray())
                _dispatcher.EndAll(queue, _refusals.Create(LeaseRefusal.Stopped));
        }
    }

    public void Dispose()
    {
        _fleet.Changed -= OnFleetChanged;
        _leases.Released -= OnReleased;
        _timer.Dispose();
    }

    private async ValueTask<LeaseResult> WaitAsync(LeaseRequest request, QueueKey key, ModelView model, CancellationToken cancellationToken)
    {
        Waiter waiter;
        lock (_lock)
        {
            var queue = _queues.Get(key);
            if (_isClosed)
                return _refusals.Create(LeaseRefusal.Stopped);
            // A retry already had its place in the queue.
            if (request.Instances.Tried is null && RefuseArrival(request, queue) is { } refusal)
                return refusal;
            waiter = new Waiter(request, queue, model.State, _time.GetTimestamp(), ++_arrivals) { Tier = model.Tier };
            if (request.Wait.Ticket is { } ticket)
                ticket.Waiter = waiter;
            if (_queues.Add(waiter))
                _timer.Change(Tick, Tick);
            // A slot may have become free before the count was visible to OnReleased.
            _dispatcher.Dispatch(_fleet.Current, tick: false);
        }

        if (model is { IsAsleep: true, Tier: { } tier } && !waiter.Result.IsCompleted)
        {
            QueueTracing.RecordActivation(request.Wait.Span, tier);
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

    /// <summary>Refuses a new request that may not wait. If the queue is full, another request may leave instead.</summary>
    private LeaseResult? RefuseArrival(in LeaseRequest request, ModelQueue queue)
    {
        var (tenant, priority, deadline, allowFallback) = (request.Owner.Tenant, request.Owner.Priority, request.Wait.Deadline, request.Wait.AllowFallback);
        if (deadline != 0 || allowFallback is not null)
        {
            var estimate = _estimates.WaitAt(queue, queue.Position(tenant, priority));
            TimeSpan? untilDeadline = deadline == 0 ? null : _time.GetElapsedTime(_time.GetTimestamp(), deadline);
            if (WaitPolicy.CheckArrival(estimate, untilDeadline, allowFallback, Settings) is not LeaseRefusal.None and var refusal)
                return _refusals.Create(refusal, queue, tenant, priority);
        }

        if (Count < Limit)
            return null;
        if (request.NeedsSlot
            && LoadSheddingPolicy.Choose(_queues.CountByTenant(), Limit, tenant.Id, priority) is { } victim
            && _queues.Youngest(victim.Tenant, victim.Class) is { } youngest)
        {
            _dispatcher.End(youngest, _refusals.Create(LeaseRefusal.PushedOut, youngest));
            return null;
        }

        return _refusals.Create(LeaseRefusal.QueueFull, queue, tenant, priority);
    }

    private void Leave(Waiter waiter, CancellationToken token)
    {
        lock (_lock)
        {
            if (waiter.Node is null)
                return;
            _dispatcher.Remove(waiter, served: false);
        }

        waiter.Cancel(token);
    }

    private void OnReleased()
    {
        if (Count == 0)
            return;
        lock (_lock)
            _dispatcher.Dispatch(_fleet.Current, tick: false);
    }

    private void OnTick()
    {
        lock (_lock)
        {
            if (Count == 0)
                _timer.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            else
                _dispatcher.Dispatch(_fleet.Current, tick: true);
        }
    }

    private void OnFleetChanged()
    {
        var fleet = _fleet.Current;
        if (_queues.HasObsolete(fleet))
            lock (_lock)
                _queues.DropObsolete(fleet);
        OnReleased();
    }

    /// <summary>Whether a waiting request could use a free slot. Requests for a tier that is being started can't.</summary>
    private bool AnyWaitsForASlot()
    {
        if (Count == 0)
            return false;
        lock (_lock)
            return _queues.Busy.Exists(queue => queue.Key.Find(_fleet.Current) is not { IsAsleep: true });
    }
}

using OllamaBridge.Gateway.Shutdown;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Queueing;

/// <content>Refusals, and the estimates that they contain.</content>
internal sealed partial class RequestQueue
{
    // Seconds. Longer estimates are cut to this.
    private const double MaxEstimate = 86_400;

    /// <summary>The place of a waiting request; null if it does not wait.</summary>
    public QueuePlace? Locate(QueueTicket? ticket)
    {
        if (ticket is null)
            return null;
        lock (_lock)
        {
            if (ticket.Waiter is not { Node: not null } waiter)
                return null;
            var position = waiter.Queue.Position(waiter.Tenant, waiter.Class, waiter);
            return new QueuePlace(position, EstimatedWait(waiter.Queue, position));
        }
    }

    /// <summary>Refuses all waiting and future requests, because the gateway stops.</summary>
    public void Close()
    {
        lock (_lock)
        {
            _isClosed = true;
            var result = new LeaseResult(null, LeaseRefusal.Stopped, GracefulStop.RetryAfter);
            foreach (var queue in _busy.ToArray())
                EndAll(queue, result);
        }
    }

    /// <summary>Refuses a request if the queue is full, its deadline is too soon, or a fallback model can serve it sooner. Null if it may wait.</summary>
    private LeaseResult? Refuse(in LeaseRequest request, ModelQueue queue)
    {
        var tenant = request.Tenant ?? Tenant.Anonymous;
        if (request.Deadline != 0
            && EstimatedWait(queue, queue.Position(tenant, request.Priority)) is { } wait
            && wait > _time.GetElapsedTime(_time.GetTimestamp(), request.Deadline))
            return Refused(LeaseRefusal.DeadlineTooSoon, queue, tenant, request.Priority);
        if (request.GiveWay is { } giveWay
            && EstimatedWait(queue, queue.Position(tenant, request.Priority)) is { } expected && expected > Settings.FallbackAfter
            && giveWay())
            return new LeaseResult(null, LeaseRefusal.GaveWay, TimeSpan.Zero);
        if (_count < Settings.Length)
            return null;
        if (request.NeedsSlot
            && LoadSheddingPolicy.Choose(WaitingByTenant(), Settings.Length, tenant.Id, request.Priority) is { } victim
            && Youngest(victim.Tenant, victim.Class) is { } youngest)
        {
            End(youngest, Refused(LeaseRefusal.PushedOut, youngest));
            return null;
        }

        return Refused(LeaseRefusal.QueueFull, queue, tenant, request.Priority);
    }

    private LeaseResult Refused(LeaseRefusal refusal, Waiter waiter) =>
        Refused(refusal, waiter.Queue, waiter.Tenant, waiter.Class, waiter);

    private LeaseResult Refused(LeaseRefusal refusal, ModelQueue queue, Tenant tenant, Priority priority, Waiter? waiter = null)
    {
        var position = queue.Position(tenant, priority, waiter);
        return new LeaseResult(null, refusal, RetryAfter()) { Position = position, EstimatedWait = EstimatedWait(queue, position) };
    }

    private TenantWaiting[] WaitingByTenant()
    {
        var tenants = new Dictionary<string, TenantWaiting>(StringComparer.Ordinal);
        foreach (var queue in _busy)
            for (var priority = Priority.Interactive; priority <= Priority.Batch; priority++)
                foreach (var line in queue[priority].Lines)
                {
                    var known = tenants.GetValueOrDefault(line.Tokens.Tenant) with { Tenant = line.Tokens.Tenant };
                    tenants[line.Tokens.Tenant] = priority == Priority.Batch
                        ? known with { Batch = known.Batch + line.Waiting }
                        : known with { Interactive = known.Interactive + line.Waiting };
                }

        return [.. tenants.Values];
    }

    private Waiter? Youngest(string tenant, Priority priority)
    {
        Waiter? youngest = null;
        foreach (var queue in _busy)
            if (queue[priority].Youngest(tenant) is { } waiter && (youngest is null || waiter.Order > youngest.Order))
                youngest = waiter;
        return youngest;
    }

    /// <summary>Estimates the wait at a position: the position times the recent service time, divided by the slots of the model's instances.</summary>
    /// <returns>Null if unknown.</returns>
    private TimeSpan? EstimatedWait(ModelQueue queue, int position)
    {
        var service = double.IsNaN(queue.Service.Value) ? _serviceSeconds.Value : queue.Service.Value;
        var slots = 0;
        if (_fleet.Current.For(queue.Key.Access).Find(queue.Key.Model, queue.Key.Part) is { } model)
            foreach (var placement in model.Usable)
                slots += placement.Instance.IsPeer ? 0 : placement.Instance.Slots;
        return double.IsNaN(service) || slots == 0 ? null : TimeSpan.FromSeconds(Math.Min(service * position / slots, MaxEstimate));
    }

    /// <summary>Estimates the time until a place is free: the queue's length times the recent service time, divided by the fleet's slots; 1 to 60 s.</summary>
    private TimeSpan RetryAfter()
    {
        var slots = 0;
        foreach (var instance in _fleet.Current.Instances)
            if (instance is { IsUsable: true, Instance.IsPeer: false })
                slots += instance.Instance.Slots;
        var service = _serviceSeconds.Value;
        var seconds = double.IsNaN(service) || slots == 0 ? 1 : service * (Count + 1) / slots;
        return TimeSpan.FromSeconds(Math.Clamp(Math.Ceiling(seconds), 1, 60));
    }
}

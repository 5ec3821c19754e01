using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Shutdown;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Queueing;

internal sealed class RefusalFactory(ModelQueues queues, WaitEstimator estimates)
{
    private static readonly TimeSpan NoInstancesRetryAfter = TimeSpan.FromSeconds(5);

    public LeaseResult WithoutModel(in LeaseRequest request, FleetSnapshot fleet, bool isOtherDigest)
    {
        var allowed = fleet.For(request.Owner.Instances);
        return Create(
            isOtherDigest ? LeaseRefusal.AllTried
            : allowed.Instances.IsEmpty ? LeaseRefusal.NoInstances
            : request.Model.Key.Length == 0 ? LeaseRefusal.NotServed
            : allowed.AnyCatalogKnown ? LeaseRefusal.UnknownModel
            : LeaseRefusal.NoneHealthy);
    }

    public LeaseResult Create(LeaseRefusal refusal) => new(null, refusal, refusal switch
    {
        LeaseRefusal.NoInstances => NoInstancesRetryAfter,
        LeaseRefusal.Stopped => GracefulStop.RetryAfter,
        LeaseRefusal.NotServed or LeaseRefusal.UnknownModel or LeaseRefusal.AllTried or LeaseRefusal.FallbackPreferred => TimeSpan.Zero,
        _ => estimates.RetryAfter(queues.Count),
    });

    public LeaseResult Create(LeaseRefusal refusal, Waiter waiter) => Create(refusal, waiter.Queue, waiter.Tenant, waiter.Class, waiter);

    public LeaseResult Create(LeaseRefusal refusal, ModelQueue queue, Tenant tenant, Priority priority, Waiter? waiter = null)
    {
        if (refusal is not (LeaseRefusal.DeadlinePassed or LeaseRefusal.DeadlineTooSoon or LeaseRefusal.WaitedTooLong or LeaseRefusal.PushedOut or LeaseRefusal.QueueFull))
            return Create(refusal);
        var position = queue.Position(tenant, priority, waiter);
        return Create(refusal) with { Position = position, EstimatedWait = estimates.WaitAt(queue, position) };
    }
}

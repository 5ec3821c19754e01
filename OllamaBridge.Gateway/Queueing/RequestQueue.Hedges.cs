using OllamaBridge.Gateway.Scheduling;

namespace OllamaBridge.Gateway.Queueing;

/// <content>Second leases for hedged requests.</content>
internal sealed partial class RequestQueue
{
    /// <summary>
    /// Takes a lease on another instance for a request whose first instance is slow. Succeeds only if no request waits for a slot, and a slot is free
    /// on an instance with the model in memory. The tenant is not charged.
    /// </summary>
    /// <param name="request">The request; its first instance is in <see cref="LeaseRequest.Tried"/>.</param>
    /// <returns>Null if there is no such slot.</returns>
    public InstanceLease? TryHedge(in LeaseRequest request)
    {
        if (AnyWaitsForASlot() || request.Find(_fleet.Current.For(request.Tenant?.Instances), out _) is not { } model)
            return null;
        // A hedge is no reason for a spill-over to another region.
        if (model.HasPeers)
            model = model.Regions.Here;
        var decision = _scheduler.Decide(new SchedulingRequest(
            model, request.Affinity, request.Tried, request.Only, NeedsSlot: true, _time.GetTimestamp(), Waited: 0)
        { NoRetry = true });
        return decision.Placement is { State.HasLoadedWeights: true } placement
            ? InstanceLease.TryTake(placement, _released, _time, decision.GoSlowly)
            : null;
    }
}

using OllamaBridge.Gateway.Scheduling;

namespace OllamaBridge.Gateway.Admission;

/// <content>Second leases of requests that have one.</content>
internal sealed partial class RequestQueue
{
    /// <summary>
    /// A lease on another instance for a request whose first one is late: only where nobody waits, a slot is free now and the model is in
    /// memory. It is neither charged nor waited for.
    /// </summary>
    /// <param name="request">What is needed; its first instance is among those tried.</param>
    /// <returns>Null where there is none.</returns>
    public InstanceLease? TryHedge(in LeaseRequest request)
    {
        if (AnyWaitsForASlot() || request.Find(_fleet.Current.For(request.Tenant?.Instances), out _) is not { } model)
            return null;
        // A second sending is no reason to leave the region.
        if (model.HasPeers)
            model = model.Regions.Here;
        var decision = _scheduler.Decide(new SchedulingRequest(
            model, request.Affinity, request.Tried, request.Only, NeedsSlot: true, _time.GetTimestamp(), Waited: 0) { NoRetry = true });
        return decision.Placement is { State.HasLoadedWeights: true } placement
            ? InstanceLease.TryTake(placement, _released, _time, decision.GoSlowly)
            : null;
    }
}

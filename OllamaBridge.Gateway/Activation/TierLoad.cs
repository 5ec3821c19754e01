using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Queueing;

namespace OllamaBridge.Gateway.Activation;

/// <summary>Observes the requests for a tier and the tier's instances.</summary>
internal sealed class TierLoad(Tier tier, IFleet fleet, RequestQueue queue, TierUse use, TimeProvider time)
{
    private long _saturatedSince;

    public TierUse Use => use;

    /// <summary>The tier's instances in the fleet.</summary>
    public IEnumerable<InstanceView> Instances => tier.InstancesOf(fleet.Current);

    public bool HasUsableInstance => Instances.Any(v => v.IsUsable);

    /// <summary>The number of waiting requests for the tier's models.</summary>
    public int Waiting => queue.DemandOn(tier.Cold).Waiting;

    /// <summary>Observes the tier, and records its use.</summary>
    public TierObservation Observe()
    {
        var demand = queue.DemandOn(tier.Cold);
        var instances = Instances.ToList();
        use.Note(demand, instances);
        var usable = instances.Where(v => v.IsUsable).ToList();
        var isSaturated = demand.Waiting > demand.Starving && usable.Count > 0
            && usable.TrueForAll(v => v.Instance.SlotsUsed + v.Instance.UsedElsewhere >= v.Instance.Slots);
        if (!isSaturated)
            _saturatedSince = 0;
        else if (_saturatedSince == 0)
            _saturatedSince = Math.Max(1, time.GetTimestamp());
        return new TierObservation
        {
            Waiting = demand.Waiting,
            Starving = demand.Starving,
            Usable = usable.Count,
            Max = tier.Options.MaxInstances,
            Saturated = isSaturated ? time.GetElapsedTime(_saturatedSince) : TimeSpan.Zero,
            Unused = use.Unused,
            IdleTime = tier.Options.IdleTime,
        };
    }

    /// <summary>Refuses the requests that wait for the tier, unless another region can serve them.</summary>
    public void RefuseStarving(TimeSpan retryAfter) => queue.RefuseStarving(tier.Cold, retryAfter);
}

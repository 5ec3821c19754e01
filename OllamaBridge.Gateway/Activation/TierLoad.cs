using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Queueing;

namespace OllamaBridge.Gateway.Activation;

internal sealed class TierLoad(Tier tier, IFleet fleet, RequestQueue queue, TierUse use, TimeProvider time)
{
    private long _saturatedSince;

    public TierUse Use => use;

    public IEnumerable<InstanceView> Instances => tier.InstancesOf(fleet.Current);

    public bool HasUsableInstance => Instances.Any(v => v.IsUsable);

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

    public void RefuseStarving(TimeSpan retryAfter) => queue.RefuseStarving(tier.Cold, retryAfter);
}

using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Queueing;

/// <summary>The waiting requests for a cold tier's models; <paramref name="Starving"/> counts those that no running instance can serve.</summary>
internal readonly record struct TierDemand(int Waiting, int Starving)
{
    public static TierDemand Of(ColdTier tier, List<ModelQueue> queues, FleetSnapshot fleet)
    {
        var (waiting, starving) = (0, 0);
        foreach (var queue in queues)
            if (queue.Key.Find(fleet) is { } model && model.Tier == tier)
            {
                waiting += queue.Count;
                starving += model.IsAsleep ? queue.Count : 0;
            }

        return new TierDemand(waiting, starving);
    }

    /// <summary>The queues whose requests only the tier can serve, because neither an instance nor another region can.</summary>
    public static ModelQueue[] StarvingQueues(ColdTier tier, List<ModelQueue> queues, FleetSnapshot fleet) =>
        [.. queues.Where(queue => queue.Key.Find(fleet) is { IsAsleep: true } model && model.Tier == tier && !IsAwakeElsewhere(model))];

    private static bool IsAwakeElsewhere(ModelView model) => model.HasPeers && model.Usable.Any(u => u.Instance.IsPeer && u.Instance.PeerCanServe(model.Key));
}

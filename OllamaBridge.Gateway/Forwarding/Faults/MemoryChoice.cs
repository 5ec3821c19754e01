using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Forwarding.Faults;

/// <summary>Chooses the next instance for a request that failed for lack of memory. Pure.</summary>
internal static class MemoryChoice
{
    /// <summary>Chooses the instance with the least used memory according to the last probe, except those in <paramref name="tried"/>.</summary>
    /// <returns>Null if there is no other instance.</returns>
    public static Instance? Choose(ModelView? model, IReadOnlySet<Instance> tried)
    {
        Instance? best = null;
        var least = long.MaxValue;
        foreach (var placement in model?.Usable ?? [])
        {
            if (tried.Contains(placement.Instance))
                continue;
            var used = 0L;
            foreach (var loaded in placement.Placement.View.Loaded)
                used += loaded.Size ?? 0;
            if (used >= least)
                continue;
            (best, least) = (placement.Instance, used);
        }

        return best;
    }
}

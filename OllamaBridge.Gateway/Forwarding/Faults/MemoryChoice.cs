using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Forwarding.Faults;

internal static class MemoryChoice
{
    /// <returns>The instance with the least used memory at the last probe; null if there is no other.</returns>
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

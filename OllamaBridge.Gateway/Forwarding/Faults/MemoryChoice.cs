using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Forwarding.Faults;

/// <summary>Chooses where a request goes that an instance had too little memory for. Pure.</summary>
internal static class MemoryChoice
{
    /// <summary>The instance whose memory is least used, as far as the last probe shows.</summary>
    /// <param name="model">The model; null if no instance has it.</param>
    /// <param name="tried">Instances that failed the request.</param>
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

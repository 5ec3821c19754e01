using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Scheduling.Filters;

/// <summary>Healthy and not draining.</summary>
internal sealed class UsableFilter : IInstanceFilter
{
    /// <inheritdoc/>
    public string Name => "usable";

    /// <inheritdoc/>
    public int Keep(in SchedulingRequest request, ReadOnlySpan<ModelPlacement> placements, Span<int> candidates)
    {
        var kept = 0;
        foreach (var index in candidates)
            if (placements[index].View.IsUsable)
                candidates[kept++] = index;
        return kept;
    }
}

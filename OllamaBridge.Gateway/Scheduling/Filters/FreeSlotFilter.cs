using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Scheduling.Filters;

/// <summary>Has a slot free.</summary>
internal sealed class FreeSlotFilter : IInstanceFilter
{
    /// <inheritdoc/>
    public string Name => "free-slot";

    /// <inheritdoc/>
    public int Keep(in SchedulingRequest request, ReadOnlySpan<ModelPlacement> placements, Span<int> candidates)
    {
        if (!request.NeedsSlot)
            return candidates.Length;
        var kept = 0;
        foreach (var index in candidates)
        {
            var instance = placements[index].Instance;
            if (instance.SlotsUsed < instance.Slots)
                candidates[kept++] = index;
        }

        return kept;
    }
}

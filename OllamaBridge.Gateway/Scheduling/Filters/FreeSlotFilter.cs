namespace OllamaBridge.Gateway.Scheduling.Filters;

/// <summary>Has a slot free.</summary>
internal sealed class FreeSlotFilter : IInstanceFilter
{
    /// <inheritdoc/>
    public string Name => "free-slot";

    /// <inheritdoc/>
    public int Keep(in SchedulingRequest request, Span<Candidate> candidates)
    {
        if (!request.NeedsSlot)
            return candidates.Length;
        var kept = 0;
        for (var i = 0; i < candidates.Length; i++)
        {
            if (candidates[i].Free <= 0)
                continue;
            if (kept != i)
                candidates[kept] = candidates[i];
            kept++;
        }

        return kept;
    }
}

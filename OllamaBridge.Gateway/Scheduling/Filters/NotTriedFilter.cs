namespace OllamaBridge.Gateway.Scheduling.Filters;

/// <summary>Will do for this request: is the one it is bound to, if it is, and has not failed it already.</summary>
internal sealed class NotTriedFilter : IInstanceFilter
{
    /// <inheritdoc/>
    public string Name => "not-tried";

    /// <inheritdoc/>
    public int Keep(in SchedulingRequest request, Span<Candidate> candidates)
    {
        if (request.Tried is null && request.Only is null)
            return candidates.Length;
        var kept = 0;
        foreach (ref var candidate in candidates)
        {
            var instance = request.Model.Usable[candidate.Index].Instance;
            if ((request.Only is null || request.Only == instance) && request.Tried?.Contains(instance) != true)
                candidates[kept++] = candidate;
        }

        return kept;
    }
}

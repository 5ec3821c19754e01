namespace OllamaBridge.Gateway.Scheduling.Filters;

/// <summary>Will do for this request: is the one it is bound to, if it is, and has not failed it already.</summary>
internal sealed class NotTriedFilter : IInstanceFilter
{
    /// <inheritdoc/>
    public string Name => "not-tried";

    /// <inheritdoc/>
    public void Keep(in SchedulingRequest request, Candidates candidates)
    {
        if (request.Tried is null && request.Only is null)
            return;
        var kept = 0;
        for (var i = 0; i < candidates.Count; i++)
        {
            var instance = request.Model.Usable[candidates.Index[i]].Instance;
            if ((request.Only is null || request.Only == instance) && request.Tried?.Contains(instance) != true)
                candidates.Positions[kept++] = i;
        }

        candidates.Keep(kept);
    }
}

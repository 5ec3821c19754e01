namespace OllamaBridge.Gateway.Scheduling.Filters;

/// <summary>Removes instances that have already failed the request, and all others if the request is bound to one instance.</summary>
internal sealed class NotTriedFilter : IInstanceFilter
{
    public string Name => "not-tried";

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

namespace OllamaBridge.Gateway.Fleet;

/// <summary>Callers that wait until model lists have been read. Used only by the fleet's owner.</summary>
internal sealed class CatalogWaits
{
    private readonly List<Wait> _waits = [];

    /// <summary>Ignores lists requested before <paramref name="since"/>, in ticks. <paramref name="isForLists"/>: whether to wait for models on disk, too.</summary>
    public void Add(Action done, long since, IEnumerable<Instance> instances, bool isForLists = true)
    {
        _waits.Add(new Wait(done, since, [.. instances], isForLists));
        Complete();
    }

    public void Note(ProbeResult result)
    {
        foreach (var wait in _waits)
            if (result.AskedAt >= wait.Since && (!wait.IsForLists || !result.Catalog.IsDefault || result.Error is not null || result.CatalogError is not null))
                wait.Missing.Remove(result.Instance);
    }

    public void Forget(Instance instance)
    {
        foreach (var wait in _waits)
            wait.Missing.Remove(instance);
    }

    /// <summary>The noted results must have been published before.</summary>
    public void Complete() => _waits.RemoveAll(wait =>
    {
        if (wait.Missing.Count > 0)
            return false;
        wait.Done();
        return true;
    });

    private sealed record Wait(Action Done, long Since, HashSet<Instance> Missing, bool IsForLists);
}

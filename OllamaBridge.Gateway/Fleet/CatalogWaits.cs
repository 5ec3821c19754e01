namespace OllamaBridge.Gateway.Fleet;

/// <summary>Those who wait for model lists read after a moment. Used by the fleet's owner alone.</summary>
internal sealed class CatalogWaits
{
    private readonly List<Wait> _waits = [];

    /// <summary>Somebody waits for the lists of instances.</summary>
    /// <param name="done">Called once all are there.</param>
    /// <param name="since">A list asked for earlier does not count, in <see cref="TimeProvider.GetTimestamp"/>'s ticks.</param>
    /// <param name="instances">Whose lists.</param>
    /// <param name="isForLists">Whether the lists of models on disk are waited for, too; else only those in memory.</param>
    public void Add(Action done, long since, IEnumerable<Instance> instances, bool isForLists = true)
    {
        _waits.Add(new Wait(done, since, [.. instances], isForLists));
        Complete();
    }

    /// <summary>An instance was looked at.</summary>
    public void Note(ProbeResult result)
    {
        foreach (var wait in _waits)
            if (result.AskedAt >= wait.Since && (!wait.IsForLists || !result.Catalog.IsDefault || result.Error is not null || result.CatalogError is not null))
                wait.Missing.Remove(result.Instance);
    }

    /// <summary>An instance is no longer there.</summary>
    public void Forget(Instance instance)
    {
        foreach (var wait in _waits)
            wait.Missing.Remove(instance);
    }

    /// <summary>Tells those whose lists are all there; what was noted must have been published before.</summary>
    public void Complete() => _waits.RemoveAll(wait =>
    {
        if (wait.Missing.Count > 0)
            return false;
        wait.Done();
        return true;
    });

    private sealed record Wait(Action Done, long Since, HashSet<Instance> Missing, bool IsForLists);
}

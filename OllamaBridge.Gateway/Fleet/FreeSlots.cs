namespace OllamaBridge.Gateway.Fleet;

/// <summary>Counts free slots at one moment, each once.</summary>
internal sealed class FreeSlots
{
    private readonly Dictionary<Instance, int> _left = [];

    /// <summary>Takes a free slot on an unrestricted instance other than <paramref name="but"/> that need not evict another model.</summary>
    public bool TryTake(ModelView model, Instance but)
    {
        foreach (var usable in model.Usable)
        {
            var instance = usable.Instance;
            if (instance == but || usable.State.IsRestricted || !(usable.State.IsWarm || instance.HasRoom))
                continue;
            if (!_left.TryGetValue(instance, out var left))
                left = instance.FreeSlots(model.Key);
            _left[instance] = Math.Max(0, left - 1);
            if (left > 0)
                return true;
        }

        return false;
    }
}

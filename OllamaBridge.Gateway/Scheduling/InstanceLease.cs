using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Scheduling;

/// <summary>A request's right to one slot of one instance. Disposing it gives the slot back, once.</summary>
internal sealed class InstanceLease : IDisposable
{
    private readonly Action? _released;
    private readonly TimeProvider _time;
    private readonly bool _holdsSlot;
    private int _disposed;

    private InstanceLease(ModelPlacement placement, bool holdsSlot, bool wasLoaded, Action? released, TimeProvider time)
    {
        Placement = placement;
        WasLoaded = wasLoaded;
        _holdsSlot = holdsSlot;
        _released = released;
        _time = time;
    }

    /// <summary>The instance and the model there.</summary>
    public ModelPlacement Placement { get; }

    /// <summary>The instance.</summary>
    public Instance Instance => Placement.Instance;

    /// <summary>Whether the model was in memory when the lease began: if not, the first byte may take a load's time.</summary>
    public bool WasLoaded { get; }

    /// <summary>Whether the instance answered, which shows that the model is in its memory.</summary>
    public bool Answered { get; set; }

    /// <summary>Takes a slot.</summary>
    /// <returns>Null where another request was faster.</returns>
    public static InstanceLease? TryTake(ModelPlacement placement, Action released, TimeProvider time)
    {
        if (!placement.Instance.TryTakeSlot())
            return null;
        var now = time.GetTimestamp();
        var wasLoaded = placement.State.IsLoaded;
        var isModel = placement.State.Model.Key.Length > 0;
        if (isModel && !placement.State.IsResident)
            placement.Instance.AssumeLoading(placement.State, now);
        placement.State.Enter(now);
        return new InstanceLease(placement, holdsSlot: true, wasLoaded, released, time);
    }

    /// <summary>A lease for a question that takes no slot.</summary>
    public static InstanceLease WithoutSlot(ModelPlacement placement, TimeProvider time) =>
        new(placement, holdsSlot: false, wasLoaded: true, released: null, time);

    /// <inheritdoc/>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0 || !_holdsSlot)
            return;
        Placement.State.Leave(_time.GetTimestamp(), Answered && Placement.State.Model.Key.Length > 0);
        Placement.Instance.ReturnSlot();
        _released?.Invoke();
    }
}

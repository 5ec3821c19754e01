using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Fleet.Breaker;
using OllamaBridge.Gateway.Regions;

namespace OllamaBridge.Gateway.Scheduling;

/// <summary>A request's right to one slot of one instance. Disposing it gives the slot back, once.</summary>
internal sealed class InstanceLease : IDisposable
{
    private readonly Action? _released;
    private readonly TimeProvider _time;
    private readonly bool _holdsSlot;
    private int _disposed;

    private InstanceLease(
        ModelPlacement placement, bool holdsSlot, bool wasLoaded, Action? released, TimeProvider time, in GuardEntry entry = default)
    {
        Placement = placement;
        Entry = entry;
        WasLoaded = wasLoaded;
        _holdsSlot = holdsSlot;
        _released = released;
        _time = time;
    }

    /// <summary>The instance and the model there.</summary>
    public ModelPlacement Placement { get; }

    /// <summary>The instance.</summary>
    public Instance Instance => Placement.Instance;

    /// <summary>What it keeps of the placement's guard.</summary>
    public GuardEntry Entry { get; }

    /// <summary>Whether the model was in memory when the lease began: if not, the first byte may take a load's time.</summary>
    public bool WasLoaded { get; }

    /// <summary>Why the request goes to another region, if it does.</summary>
    public SpillReason Spill { get; init; }

    /// <summary>Whether the instance answered, which shows that the model is in its memory.</summary>
    public bool Answered { get; set; }

    /// <summary>Takes a slot.</summary>
    /// <param name="placement">Where.</param>
    /// <param name="released">Called when it has been given back.</param>
    /// <param name="time">The clock.</param>
    /// <param name="slowly">Whether one that has only just come back need not take all there is.</param>
    /// <param name="spill">Why the request goes to another region, if it does.</param>
    /// <returns>Null where another request was faster.</returns>
    public static InstanceLease? TryTake(ModelPlacement placement, Action released, TimeProvider time, bool slowly = false, SpillReason spill = SpillReason.None)
    {
        var now = time.GetTimestamp();
        var limit = slowly && placement.State is { IsRestricted: true, Guard: { } guard } ? guard.InstanceLimit(placement.Instance, now) : int.MaxValue;
        if (placement.Instance.IsPeer)
            limit = Math.Min(limit, placement.Instance.PeerLimit(placement.State.Model.Key));
        if (!placement.Instance.TryTakeSlot(limit))
            return null;
        var wasLoaded = placement.State.HasLoadedWeights;
        if (!placement.State.TryEnter(now, slowly, out var entry))
        {
            placement.Instance.ReturnSlot();
            return null;
        }

        var isModel = placement.State.Model.Key.Length > 0;
        if (isModel && !placement.State.IsWarm)
            placement.Instance.AssumeLoading(placement.State, now);
        return new InstanceLease(placement, holdsSlot: true, wasLoaded, released, time, entry) { Spill = spill };
    }

    /// <summary>A lease for a question that takes no slot.</summary>
    public static InstanceLease WithoutSlot(ModelPlacement placement, TimeProvider time) =>
        new(placement, holdsSlot: false, wasLoaded: true, released: null, time);

    /// <inheritdoc/>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0 || !_holdsSlot)
            return;
        var now = _time.GetTimestamp();
        Entry.Guard?.Leave(Entry, now);
        Placement.State.Leave(now, Answered && Placement.State.Model.Key.Length > 0);
        Placement.Instance.ReturnSlot();
        _released?.Invoke();
    }
}

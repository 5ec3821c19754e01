using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Fleet.Breaker;
using OllamaBridge.Gateway.Fleet.Regions;

namespace OllamaBridge.Gateway.Scheduling;

/// <summary>A request's right to one slot of one instance. <see cref="Dispose"/> returns the slot; further calls have no effect.</summary>
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

    public ModelPlacement Placement { get; }

    public Instance Instance => Placement.Instance;

    public GuardEntry Entry { get; }

    /// <summary>Whether the model was in memory when the lease began. If not, the first byte may take as long as a load.</summary>
    public bool WasLoaded { get; }

    public SpillReason Spill { get; init; }

    /// <summary>Whether the instance responded, which shows that the model is in its memory.</summary>
    public bool Answered { get; set; }

    /// <summary>Null if another request took the slot first. <paramref name="released"/> is called after the slot's return.</summary>
    public static InstanceLease? TryTake(
        ModelPlacement placement, Action released, TimeProvider time, bool slowly = false, SpillReason spill = SpillReason.None)
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

    public static InstanceLease WithoutSlot(ModelPlacement placement, TimeProvider time) =>
        new(placement, holdsSlot: false, wasLoaded: true, released: null, time);

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

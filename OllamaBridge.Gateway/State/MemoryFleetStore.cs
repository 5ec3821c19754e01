using System.Collections.Immutable;
using OllamaBridge.Gateway.Common;
using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.State;

/// <summary>Stores fleet state in memory, for one gateway or, in tests, for several gateways in one process.</summary>
internal sealed class MemoryFleetStore(TimeProvider time, bool isShared = false) : IFleetStore
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, Moment> _alive = new(StringComparer.Ordinal);
    private readonly Dictionary<(string Gateway, string Instance), SlotClaim> _claims = [];
    private readonly Dictionary<string, DrainMark> _drains = new(StringComparer.Ordinal);
    private readonly Dictionary<string, MemberMark> _members = new(StringComparer.Ordinal);
    private readonly Dictionary<string, (EjectionMark Mark, Moment Until)> _ejections = new(StringComparer.Ordinal);

    public bool IsShared => isShared;

    public ValueTask<SharedFleet?> ExchangeAsync(GatewayReport report, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            var now = time.GetMoment();
            var wall = time.GetWallClock();
            _alive[report.Gateway] = now + report.Lifetime;
            foreach (var dead in _alive.Where(a => a.Value < now).Select(a => a.Key).ToArray())
                Remove(dead);
            TakeSlots(report);
            Merge(_drains, report.Drains, wall);
            Merge(_members, report.Members, wall);
            foreach (var mark in report.Ejections)
                if (!_ejections.TryGetValue(mark.Instance, out var known) || known.Until < now + mark.Remaining)
                    _ejections[mark.Instance] = (mark, now + mark.Remaining);
            foreach (var over in _ejections.Where(e => e.Value.Until <= now).Select(e => e.Key).ToArray())
                _ejections.Remove(over);
            return new ValueTask<SharedFleet?>(new SharedFleet(
                wall,
                [.. _alive.Keys.Order(StringComparer.Ordinal)],
                [.. _claims.Values],
                [.. _drains.Values],
                [.. _members.Values],
                [.. _ejections.Select(e => e.Value.Mark with { Remaining = e.Value.Until - now })]));
        }
    }

    public ValueTask LeaveAsync(string gateway, CancellationToken cancellationToken)
    {
        lock (_lock)
            Remove(gateway);
        return ValueTask.CompletedTask;
    }

    private static void Merge<T>(Dictionary<string, T> all, ImmutableArray<T> said, DateTimeOffset now)
        where T : struct, IDirective
    {
        foreach (var word in said)
            if (!all.TryGetValue(word.Instance, out var known) || known.Version < word.Version)
                all[word.Instance] = word;
        foreach (var spent in all.Values.Where(w => OperatorDirectives.IsSpent(w, now)).ToArray())
            all.Remove(spent.Instance);
    }

    private void TakeSlots(GatewayReport report)
    {
        foreach (var old in _claims.Keys.Where(k => k.Gateway == report.Gateway).ToArray())
            _claims.Remove(old);
        foreach (var slot in report.Slots)
        {
            var others = _claims.Values.Where(c => c.Instance == slot.Instance).Sum(c => c.Claim);
            var claim = Math.Max(slot.Used, Math.Min(slot.Asked, slot.Slots - others));
            _claims[(report.Gateway, slot.Instance)] = new SlotClaim(report.Gateway, slot.Instance, slot.Used, slot.Waiting, Math.Max(0, claim));
        }
    }

    private void Remove(string gateway)
    {
        _alive.Remove(gateway);
        foreach (var old in _claims.Keys.Where(k => k.Gateway == gateway).ToArray())
            _claims.Remove(old);
    }
}

using System.Collections.Immutable;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Common;
using OllamaBridge.Gateway.Discovery;

namespace OllamaBridge.Gateway.Fleet;

/// <summary>The states of all instances. Used only by the fleet's owner.</summary>
internal sealed class InstanceWatches(IOptions<HealthOptions> options, TimeProvider time, ILogger logger)
{
    // A pod that ends leaves discovery before its preStop hook starts the drain, and before other gateways' reports on it arrive.
    private static readonly TimeSpan LeaveTime = TimeSpan.FromSeconds(15);
    private readonly List<InstanceWatch> _watches = [];

    /// <summary>The allowance of slots on a new instance before other gateways' claims on it are known.</summary>
    public Func<int, int> FirstAllowance { get; set; } = static _ => int.MaxValue;

    public IReadOnlyList<InstanceWatch> All => _watches;

    public InstanceWatch? Find(Instance instance) => _watches.Find(w => w.Instance == instance);

    public InstanceWatch? Find(string name) => _watches.Find(w => IsNamed(w, name));

    /// <summary>Remaining instances keep their state. One that discovery no longer finds is drained first, so that a deadline can still be set.</summary>
    /// <returns>The removed instances.</returns>
    public IReadOnlyList<Instance> Reconcile(IReadOnlyList<InstanceDefinition> configured, OperatorDirectives directives, Moment now)
    {
        var hidden = new List<InstanceDefinition>();
        var definitions = FleetMembers.Merge(configured, directives.Members, hidden);
        foreach (var member in hidden)
            FleetLog.StandsBack(logger, member.Name, member.Url);
        var kept = new List<InstanceWatch>();
        foreach (var definition in definitions)
        {
            var watch = _watches.Find(w => IsSame(w.Instance, definition));
            if (watch is null)
            {
                watch = new InstanceWatch(new Instance(definition) { Allowance = FirstAllowance(definition.Slots) });
                var until = directives.DrainDeadline(definition.Name, definition.Incarnation);
                watch.Drain(directives.IsDrained(definition.Name, definition.Incarnation), until, DueOf(until));
                InstanceLog.Added(logger, definition.Name, definition.Url, definition.Slots);
            }

            watch.Instance.Configure(definition);
            watch.IsUnlisted = false;
            watch.IsConfigured = kept.Count < configured.Count;
            if (definition.IsLeaving && watch.LeavingSince is null)
                DiscoveryLog.Leaves(logger, definition.Name);
            watch.LeavingSince = definition.IsLeaving ? watch.LeavingSince ?? now : null;
            kept.Add(watch);
        }

        foreach (var watch in _watches.Except(kept).Where(w => w.Instance.IsDiscovered).ToArray())
        {
            // Another instance may have its name or its address now: its requests run to their end outside the list.
            if (kept.Exists(k => IsNamed(k, watch.Instance.Name) || k.Instance.Url == watch.Instance.Url))
                continue;
            if (watch.LeavingSince is null)
                DiscoveryLog.Leaves(logger, watch.Instance.Name);
            watch.LeavingSince ??= now;
            watch.IsUnlisted = true;
            if (!IsOver(watch, now))
                kept.Add(watch);
        }

        var gone = _watches.Except(kept).Select(w => w.Instance).ToList();
        foreach (var instance in gone)
            InstanceLog.Removed(logger, instance.Name);
        _watches.Clear();
        _watches.AddRange(kept);
        return gone;
    }

    /// <returns>The removed instances.</returns>
    public IReadOnlyList<Instance> RemoveDrained(Moment now)
    {
        var over = _watches.Where(w => w.IsUnlisted && IsOver(w, now)).Select(w => w.Instance).ToList();
        foreach (var instance in over)
        {
            _watches.RemoveAll(w => w.Instance == instance);
            InstanceLog.Removed(logger, instance.Name);
        }

        return over;
    }

    /// <returns>Whether anything changed.</returns>
    public bool ApplyDrains(OperatorDirectives directives)
    {
        var changed = false;
        foreach (var watch in _watches)
        {
            var draining = directives.IsDrained(watch.Instance.Name, watch.Instance.Incarnation);
            var deadline = directives.DrainDeadline(watch.Instance.Name, watch.Instance.Incarnation);
            if (watch.Draining == draining && watch.DrainDeadline == deadline)
                continue;
            watch.Drain(draining, deadline, DueOf(deadline));
            if (deadline is { } until)
                FleetLog.DrainingUntil(logger, watch.Instance.Name, until);
            else
                InstanceLog.Draining(logger, watch.Instance.Name, draining);
            changed = true;
        }

        return changed;
    }

    /// <returns>Whether anything changed.</returns>
    public bool ApplyEjections(ImmutableArray<EjectionMark> marks, Moment now)
    {
        var changed = false;
        foreach (var mark in marks)
        {
            var watch = _watches.Find(w => mark.IsOn(w.Instance));
            // Another gateway does not eject the last healthy instance: its network may be the cause.
            if (watch is null || !_watches.Exists(w => w != watch && w.Status == InstanceStatus.Healthy && !w.Draining)
                || !watch.EjectUntil(now + mark.Remaining, options.Value, now))
                continue;
            InstanceLog.StatusChanged(logger, watch.Instance.Name, watch.Status, "another gateway's requests failed");
            changed = true;
        }

        return changed;
    }

    public ImmutableArray<OwnEjection> OwnEjections(Moment now) =>
        [.. _watches.Where(w => w.OwnEjectionUntil > now).Select(w => new OwnEjection(w.Instance.Name, w.OwnEjectionUntil, w.Instance.Incarnation))];

    /// <summary>Called once for each directive: a later jump of the clock does not move the deadline.</summary>
    private Moment? DueOf(DateTimeOffset? deadline) => deadline is { } until ? time.GetMoment() + (until - time.GetWallClock()) : null;

    private static bool IsNamed(InstanceWatch watch, string name) => string.Equals(watch.Instance.Name, name, StringComparison.OrdinalIgnoreCase);

    private static bool IsSame(Instance instance, InstanceDefinition definition) =>
        instance.Name == definition.Name && instance.Url == definition.Url && instance.Kind == definition.Kind
            && instance.Incarnation == definition.Incarnation;

    private static bool IsOver(InstanceWatch watch, Moment now) =>
        watch is { Instance: { SlotsUsed: 0, UsedElsewhere: 0 } }
        && (watch.Status != InstanceStatus.Healthy || (now - watch.LeavingSince >= LeaveTime && !(watch.DrainDue > now)));
}

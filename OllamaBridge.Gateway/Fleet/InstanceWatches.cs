using System.Collections.Immutable;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Common;
using OllamaBridge.Gateway.Fleet.Discovery;

namespace OllamaBridge.Gateway.Fleet;

/// <summary>All instances as the fleet's owner knows them. Used by the owner alone.</summary>
internal sealed class InstanceWatches(IOptions<HealthOptions> options, TimeProvider time, ILogger logger)
{
    // An instance that ends is told of no longer before it has said so itself (a preStop hook), and before other gateways have been heard on it.
    private static readonly TimeSpan LeaveTime = TimeSpan.FromSeconds(15);
    private readonly List<InstanceWatch> _watches = [];

    /// <summary>How many of a new instance's slots this gateway may use before others were heard on it.</summary>
    public Func<int, int> FirstAllowance { get; set; } = static _ => int.MaxValue;

    /// <summary>All of them: the configured ones first.</summary>
    public IReadOnlyList<InstanceWatch> All => _watches;

    /// <summary>What is known of an instance; null where it has gone.</summary>
    public InstanceWatch? Find(Instance instance) => _watches.Find(w => w.Instance == instance);

    /// <summary>The one of a name, in any case.</summary>
    public InstanceWatch? Find(string name) => _watches.Find(w => IsNamed(w, name));

    /// <summary>
    /// Makes the instances those that configuration and operators' words say. Who stays keeps its state; who was found in a group and is told of no
    /// longer is emptied first, so that an operator, or its own hook, can still say by when.
    /// </summary>
    /// <returns>Those that have gone.</returns>
    public IReadOnlyList<Instance> Reconcile(IReadOnlyList<InstanceDefinition> configured, FleetWords words, Moment now)
    {
        var hidden = new List<InstanceDefinition>();
        var definitions = FleetMembers.Merge(configured, words.Members, hidden);
        foreach (var member in hidden)
            FleetLog.StandsBack(logger, member.Name, member.Url);
        var kept = new List<InstanceWatch>();
        foreach (var definition in definitions)
        {
            var watch = _watches.Find(w => IsSame(w.Instance, definition));
            if (watch is null)
            {
                watch = new InstanceWatch(new Instance(definition) { Allowance = FirstAllowance(definition.Slots) });
                var until = words.DrainDeadline(definition.Name, definition.Incarnation);
                watch.Drain(words.IsDrained(definition.Name, definition.Incarnation), until, DueOf(until));
                FleetLog.Added(logger, definition.Name, definition.Url, definition.Slots);
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
            // Its name or its address may be another's by now: what it has it finishes unseen.
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
            FleetLog.Removed(logger, instance.Name);
        _watches.Clear();
        _watches.AddRange(kept);
        return gone;
    }

    /// <summary>Lets go those that are told of no longer and have nothing to do any more.</summary>
    /// <returns>Who that is.</returns>
    public IReadOnlyList<Instance> LetGo(Moment now)
    {
        var over = _watches.Where(w => w.IsUnlisted && IsOver(w, now)).Select(w => w.Instance).ToList();
        foreach (var instance in over)
        {
            _watches.RemoveAll(w => w.Instance == instance);
            FleetLog.Removed(logger, instance.Name);
        }

        return over;
    }

    /// <summary>Drains what is to be drained.</summary>
    /// <returns>Whether that changed anything.</returns>
    public bool ApplyDrains(FleetWords words)
    {
        var changed = false;
        foreach (var watch in _watches)
        {
            var draining = words.IsDrained(watch.Instance.Name, watch.Instance.Incarnation);
            var deadline = words.DrainDeadline(watch.Instance.Name, watch.Instance.Incarnation);
            if (watch.Draining == draining && watch.DrainDeadline == deadline)
                continue;
            watch.Drain(draining, deadline, DueOf(deadline));
            if (deadline is { } until)
                FleetLog.DrainingUntil(logger, watch.Instance.Name, until);
            else
                FleetLog.Draining(logger, watch.Instance.Name, draining);
            changed = true;
        }

        return changed;
    }

    /// <summary>Leaves alone what other gateways have ejected.</summary>
    /// <returns>Whether that changed anything.</returns>
    public bool ApplyEjections(ImmutableArray<EjectionMark> marks, Moment now)
    {
        var changed = false;
        foreach (var mark in marks)
        {
            var watch = _watches.Find(w => mark.IsOn(w.Instance));
            // The last one is not given up on somebody else's word: it may be their network.
            if (watch is null || !_watches.Exists(w => w != watch && w.Status == InstanceStatus.Healthy && !w.Draining)
                || !watch.EjectUntil(now + mark.Remaining, options.Value, now))
                continue;
            FleetLog.StatusChanged(logger, watch.Instance.Name, watch.Status, "another gateway's requests failed");
            changed = true;
        }

        return changed;
    }

    /// <summary>What this gateway has ejected by its own finding, and until when.</summary>
    public ImmutableArray<OwnEjection> OwnEjections(Moment now) =>
        [.. _watches.Where(w => w.OwnEjectionUntil > now).Select(w => new OwnEjection(w.Instance.Name, w.OwnEjectionUntil, w.Instance.Incarnation))];

    /// <summary>A deadline by the wall clock in monotonic time. Computed once, when it is learned of: a later jump of the clock does not move it.</summary>
    private Moment? DueOf(DateTimeOffset? deadline) => deadline is { } until ? time.GetMoment() + (until - time.GetWallClock()) : null;

    private static bool IsNamed(InstanceWatch watch, string name) => string.Equals(watch.Instance.Name, name, StringComparison.OrdinalIgnoreCase);

    private static bool IsSame(Instance instance, InstanceDefinition definition) =>
        instance.Name == definition.Name && instance.Url == definition.Url && instance.Kind == definition.Kind && instance.Incarnation == definition.Incarnation;

    /// <summary>Nothing is left to do of one that leaves. One that does not answer is not waited for either, once nobody uses it.</summary>
    private static bool IsOver(InstanceWatch watch, Moment now) =>
        watch is { Instance: { SlotsUsed: 0, UsedElsewhere: 0 } }
        && (watch.Status != InstanceStatus.Healthy || (now - watch.LeavingSince >= LeaveTime && !(watch.DrainDue > now)));
}

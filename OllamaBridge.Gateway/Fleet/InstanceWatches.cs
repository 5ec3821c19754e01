using System.Collections.Immutable;

namespace OllamaBridge.Gateway.Fleet;

/// <summary>All instances as the fleet's owner knows them. Used by the owner alone.</summary>
internal sealed class InstanceWatches(HealthOptions options, ILogger logger)
{
    private readonly List<InstanceWatch> _watches = [];

    /// <summary>How many of a new instance's slots this gateway may use before others were heard on it.</summary>
    public Func<int, int> FirstAllowance { get; set; } = static _ => int.MaxValue;

    /// <summary>All of them: the configured ones first.</summary>
    public IReadOnlyList<InstanceWatch> All => _watches;

    /// <summary>What is known of an instance; null where it has gone.</summary>
    public InstanceWatch? Find(Instance instance) => _watches.Find(w => w.Instance == instance);

    /// <summary>The one of a name, in any case.</summary>
    public InstanceWatch? Find(string name) => _watches.Find(w => string.Equals(w.Instance.Name, name, StringComparison.OrdinalIgnoreCase));

    /// <summary>Makes the instances those that configuration and operators' words say. Who stays keeps its state.</summary>
    /// <returns>Those that have gone.</returns>
    public IReadOnlyList<Instance> Reconcile(IReadOnlyList<InstanceDefinition> configured, FleetWords words)
    {
        var hidden = new List<InstanceDefinition>();
        var definitions = FleetMembers.Merge(configured, words.Members, hidden);
        foreach (var member in hidden)
            FleetLog.StandsBack(logger, member.Name, member.Url);
        var kept = new List<InstanceWatch>();
        foreach (var definition in definitions)
        {
            var watch = _watches.Find(w => w.Instance.Name == definition.Name && w.Instance.Url == definition.Url && w.Instance.Kind == definition.Kind);
            if (watch is null)
            {
                watch = new InstanceWatch(new Instance(definition) { Allowance = FirstAllowance(definition.Slots) })
                {
                    Draining = words.IsDrained(definition.Name),
                    DrainDeadline = words.DrainDeadline(definition.Name),
                };
                FleetLog.Added(logger, definition.Name, definition.Url, definition.Slots);
            }

            watch.Instance.Configure(definition);
            watch.IsConfigured = kept.Count < configured.Count;
            kept.Add(watch);
        }

        var gone = _watches.Except(kept).Select(w => w.Instance).ToList();
        foreach (var instance in gone)
            FleetLog.Removed(logger, instance.Name);
        _watches.Clear();
        _watches.AddRange(kept);
        return gone;
    }

    /// <summary>Drains what is to be drained.</summary>
    /// <returns>Whether that changed anything.</returns>
    public bool ApplyDrains(FleetWords words)
    {
        var changed = false;
        foreach (var watch in _watches)
        {
            var draining = words.IsDrained(watch.Instance.Name);
            var deadline = words.DrainDeadline(watch.Instance.Name);
            if (watch.Draining == draining && watch.DrainDeadline == deadline)
                continue;
            (watch.Draining, watch.DrainDeadline) = (draining, deadline);
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
    public bool ApplyEjections(ImmutableArray<EjectionMark> marks, DateTimeOffset now)
    {
        var changed = false;
        foreach (var mark in marks)
        {
            var watch = _watches.Find(w => w.Instance.Name == mark.Instance);
            // The last one is not given up on somebody else's word: it may be their network.
            if (watch is null || !_watches.Exists(w => w != watch && w.Status == InstanceStatus.Healthy && !w.Draining)
                || !watch.EjectUntil(now + mark.Remaining, options, now))
                continue;
            FleetLog.StatusChanged(logger, watch.Instance.Name, watch.Status, "another gateway's requests failed");
            changed = true;
        }

        return changed;
    }

    /// <summary>What this gateway has ejected by its own finding, and until when.</summary>
    public ImmutableArray<(string Instance, DateTimeOffset Until)> OwnEjections(DateTimeOffset now) =>
        [.. _watches.Where(w => w.OwnEjectionUntil > now).Select(w => (w.Instance.Name, w.OwnEjectionUntil))];
}

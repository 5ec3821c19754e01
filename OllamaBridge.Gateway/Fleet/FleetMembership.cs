using OllamaBridge.Gateway.Audit;
using OllamaBridge.Gateway.Common;
using OllamaBridge.Gateway.Discovery;
using OllamaBridge.Gateway.Fleet.Regions;

namespace OllamaBridge.Gateway.Fleet;

/// <summary>Which instances belong to the fleet, and which of them drain. Used only by the fleet's owner, except <see cref="Directives"/>.</summary>
internal sealed class FleetMembership(InstanceWatches watches, ProbeRunner probes, RegionPeers? peers, TimeProvider time, AuditTrail? audit)
{
    // The instances of this region, and those with the peers in other regions.
    private IReadOnlyList<InstanceDefinition> _local = [];
    private IReadOnlyList<InstanceDefinition> _configured = [];
    private OperatorDirectives _directives = OperatorDirectives.None;

    /// <summary>The state that this gateway shares with others. Any thread may read it.</summary>
    public OperatorDirectives Directives => Volatile.Read(ref _directives);

    /// <param name="isStart">Whether it is the first list, which is no change.</param>
    public void SetListed(IReadOnlyList<InstanceDefinition> definitions, bool isStart = false)
    {
        var configured = WithPeers(_local = definitions);
        if (audit is not null && !isStart)
            InstanceDescription.RecordChanges(audit, _configured, configured);
        _configured = configured;
        Reconcile();
    }

    public void Refresh()
    {
        _configured = WithPeers(_local);
        Reconcile();
    }

    public (bool IsKnown, OperatorDirectives Directives) Drain(DrainRequested drain)
    {
        var instance = watches.Find(drain.Name)?.Instance;
        // An instance that is absent now may come back under its name, so its drain can be ended as well.
        var name = instance?.Name ?? (!drain.Draining && _directives.IsDrained(drain.Name) ? drain.Name : null);
        return name is null
            ? (false, _directives)
            : (true, _directives.Drain(name, drain.Draining, time.GetWallClock(), drain.Deadline, instance?.Incarnation));
    }

    public (MemberChange Change, OperatorDirectives Directives) Add(InstanceDefinition definition) =>
        FleetMembers.Add(definition, _configured, _directives, time.GetWallClock());

    public (MemberChange Change, OperatorDirectives Directives) Remove(string name) =>
        FleetMembers.Remove(name, _configured, _directives, time.GetWallClock());

    public void EndDrain(InstanceWatch watch)
    {
        audit?.Record(
            AuditActors.Bridge, AuditActions.DrainEnd, watch.Instance.Name, InstanceDescription.OfDrain(watch.ToView()),
            new System.Text.Json.Nodes.JsonObject { ["draining"] = false });
        Apply(_directives.Drain(watch.Instance.Name, draining: false, time.GetWallClock()));
    }

    /// <returns>Whether a new snapshot must be published.</returns>
    public bool Merge(PeerStateReceived received) =>
        Apply(_directives.Merge(received.Drains, received.Members, time.GetWallClock())) | watches.ApplyEjections(received.Ejections, time.GetMoment());

    /// <returns>Whether a new snapshot must be published.</returns>
    public bool Apply(OperatorDirectives directives)
    {
        var before = _directives;
        Volatile.Write(ref _directives, directives);
        var membersChanged = directives.Members != before.Members;
        if (membersChanged)
            Reconcile();
        return (directives.Drains != before.Drains && watches.ApplyDrains(directives)) || membersChanged;
    }

    public void UpdateEjections() => Volatile.Write(ref _directives, _directives with { Ejections = watches.OwnEjections(time.GetMoment()) });

    private void Reconcile()
    {
        probes.Forget(watches.Reconcile(_configured, _directives, time.GetMoment()));
        // The name of an ejected instance may belong to another instance now.
        if (!_directives.Ejections.IsEmpty)
            UpdateEjections();
    }

    private IReadOnlyList<InstanceDefinition> WithPeers(IReadOnlyList<InstanceDefinition> local) => peers?.Append(local) ?? local;
}

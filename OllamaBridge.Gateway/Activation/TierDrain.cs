using OllamaBridge.Gateway.Audit;
using OllamaBridge.Gateway.Common;
using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Activation;

/// <summary>Drains a tier's instances before they stop, and ends each drain: drains are kept by name, and a restarted instance has the same name.</summary>
internal sealed class TierDrain(Tier tier, IFleet fleet, ITierStore store, TimeSpan exchange, TimeProvider time, ILogger logger, AuditTrail? audit = null)
{
    // Exchanges until every gateway has applied a drain and its last requests are visible here.
    private const int Exchanges = 5;
    // The platform stops an instance within this time; an instance that still runs after it is used again.
    private static readonly TimeSpan Leaving = TimeSpan.FromSeconds(30);
    // A live gateway finishes its drain within this time; a drain that lasts longer belongs to a dead gateway.
    private static readonly TimeSpan Abandoned = TimeSpan.FromSeconds(45);
    private static readonly TimeSpan Farewell = TimeSpan.FromSeconds(1);
    private readonly Dictionary<string, (Instance Instance, long Until)> _drained = new(StringComparer.OrdinalIgnoreCase);

    public bool Any => _drained.Count > 0;

    /// <returns>False if the drain could not be recorded for the other gateways; nothing is drained then.</returns>
    public async Task<bool> BeginAsync(IReadOnlyList<InstanceView> instances, CancellationToken cancellationToken)
    {
        // A drain that an operator started is not taken over.
        var mine = instances.Where(v => !v.Draining).Select(v => v.Instance).ToList();
        if (mine.Count == 0)
            return true;
        if (!await store.NoteDrainedAsync(tier.Name, [.. mine.Select(i => i.Name)], cancellationToken))
            return false;
        foreach (var instance in mine)
        {
            _drained[instance.Name] = (instance, long.MaxValue);
            if (await fleet.SetDrainingAsync(instance.Name, draining: true, cancellationToken))
                Record(AuditActions.DrainStart, instance.Name, isDraining: true);
        }

        return true;
    }

    /// <summary>Waits until every gateway has applied the drain. False if requests still run, or an instance is no longer draining.</summary>
    public async Task<bool> IsEmptyAsync(CancellationToken cancellationToken)
    {
        for (var i = 0; i < 2; i++)
        {
            await Task.Delay(Exchanges * exchange, time, cancellationToken);
            foreach (var view in tier.InstancesOf(fleet.Current))
                if (view.Instance is not { SlotsUsed: 0, UsedElsewhere: 0 } || !view.Draining)
                    return false;
        }

        return true;
    }

    /// <summary>Starts the time limit for the platform to stop the drained instances.</summary>
    public void NoteLeaving()
    {
        var until = time.GetTimestamp() + (long)(Leaving.TotalSeconds * time.TimestampFrequency);
        foreach (var (name, (instance, _)) in _drained.ToArray())
            _drained[name] = (instance, until);
    }

    /// <summary>Ends the drain of instances that have stopped, or that the platform did not stop in time. If requests starve, also ends leftover drains: those
    /// of dead gateways (<paramref name="drainedElsewhere"/>), and those whose deadline passed although the instance still runs.</summary>
    public async Task ReleaseAsync(TimeSpan starvingFor, IReadOnlyList<string> drainedElsewhere, CancellationToken cancellationToken)
    {
        var instances = tier.InstancesOf(fleet.Current).ToList();
        var now = time.GetTimestamp();
        var over = _drained.Where(d => HasLeft(d.Value.Instance, instances, d.Value.Until, now)).Select(d => d.Key).ToList();
        if (starvingFor > TimeSpan.Zero)
            over.AddRange(instances
                .Where(v => v is { Draining: true, Status: InstanceStatus.Healthy } && !_drained.ContainsKey(v.Instance.Name)
                    && (v.DrainDue is { } due ? time.GetMoment() - due >= Leaving : starvingFor >= Abandoned && drainedElsewhere.Contains(v.Instance.Name)))
                .Select(v => v.Instance.Name));
        await EndAsync(over, cancellationToken);
    }

    public async Task EndAsync()
    {
        // Not canceled by the shutdown of the gateway, so that no drain is left over.
        using var patience = new CancellationTokenSource(Farewell, time);
        try
        {
            await EndAsync([.. _drained.Keys], patience.Token);
        }
        catch (OperationCanceledException)
        {
            // The fleet has stopped. Another gateway ends the drain when a request waits for the tier.
        }
    }

    private async Task EndAsync(List<string> names, CancellationToken cancellationToken)
    {
        if (names.Count == 0)
            return;
        foreach (var name in names)
        {
            if (await fleet.SetDrainingAsync(name, draining: false, cancellationToken))
                Record(AuditActions.DrainEnd, name, isDraining: false);
            _drained.Remove(name);
            ActivationLog.Released(logger, tier.Name, name);
        }

        await store.NoteDrainedAsync(tier.Name, [.. _drained.Keys], cancellationToken);
    }

    private void Record(string action, string name, bool isDraining) =>
        audit?.Record(AuditActors.Bridge, action, name, new System.Text.Json.Nodes.JsonObject { ["draining"] = !isDraining }, new System.Text.Json.Nodes.JsonObject { ["draining"] = isDraining });

    private static bool HasLeft(Instance instance, List<InstanceView> instances, long until, long now) =>
        until != long.MaxValue && (now >= until || instances.Find(v => v.Instance == instance) is not { Status: InstanceStatus.Healthy });
}

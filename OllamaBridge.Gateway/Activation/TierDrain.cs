using OllamaBridge.Gateway.Audit;
using OllamaBridge.Gateway.Common;
using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Activation;

/// <summary>Gives a tier's instances nothing new before they are stopped, and ends that again: drains are kept by name, and the next instance has the same.</summary>
internal sealed class TierDrain(Tier tier, IFleet fleet, ITierStore store, TimeSpan exchange, TimeProvider time, ILogger logger, AuditTrail? audit = null)
{
    // Until other gateways have heard of a drain, and what they still sent was heard of here, some exchanges pass.
    private const int Exchanges = 5;
    // The platform takes away what it was told to within this; where it did not, the instance is one to be used.
    private static readonly TimeSpan Leaving = TimeSpan.FromSeconds(30);
    // A gateway that drains is done with it by then, or it is no more.
    private static readonly TimeSpan Abandoned = TimeSpan.FromSeconds(45);
    private static readonly TimeSpan Farewell = TimeSpan.FromSeconds(1);
    private readonly Dictionary<string, (Instance Instance, long Until)> _drained = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>Whether some are drained by this gateway.</summary>
    public bool Any => _drained.Count > 0;

    /// <summary>Starts.</summary>
    /// <returns>False where the others cannot be told of it.</returns>
    public async Task<bool> BeginAsync(IReadOnlyList<InstanceView> instances, CancellationToken cancellationToken)
    {
        // What an operator drains stays an operator's.
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

    /// <summary>Waits until every gateway must have heard of it.</summary>
    /// <returns>Whether nothing runs on the tier's instances, and nobody else has ended the drain.</returns>
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

    /// <summary>The platform has been told to stop them.</summary>
    public void NoteLeaving()
    {
        var until = time.GetTimestamp() + (long)(Leaving.TotalSeconds * time.TimestampFrequency);
        foreach (var (name, (instance, _)) in _drained.ToArray())
            _drained[name] = (instance, until);
    }

    /// <summary>Ends the drain of those that have gone, or that the platform has not taken away; for whoever waits in vain, also what is left of drains
    /// by others: of a gateway that is no more, or of an instance's own end, whose deadline it must have been gone by.</summary>
    /// <param name="starvingFor">For how long requests have waited in vain.</param>
    /// <param name="heard">What gateways drain, as last heard.</param>
    /// <param name="cancellationToken">Gives up waiting for the fleet.</param>
    public async Task ReleaseAsync(TimeSpan starvingFor, IReadOnlyList<string> heard, CancellationToken cancellationToken)
    {
        var instances = tier.InstancesOf(fleet.Current).ToList();
        var now = time.GetTimestamp();
        var over = _drained.Where(d => HasLeft(d.Value.Instance, instances, d.Value.Until, now)).Select(d => d.Key).ToList();
        if (starvingFor > TimeSpan.Zero)
            over.AddRange(instances
                .Where(v => v is { Draining: true, Status: InstanceStatus.Healthy } && !_drained.ContainsKey(v.Instance.Name)
                    && (v.DrainDue is { } due ? time.GetMoment() - due >= Leaving : starvingFor >= Abandoned && heard.Contains(v.Instance.Name)))
                .Select(v => v.Instance.Name));
        await EndAsync(over, cancellationToken);
    }

    /// <summary>Ends all of it at once: they stay.</summary>
    public async Task EndAsync()
    {
        // Also when the gateway stops.
        using var patience = new CancellationTokenSource(Farewell, time);
        try
        {
            await EndAsync([.. _drained.Keys], patience.Token);
        }
        catch (OperationCanceledException)
        {
            // The fleet listens no longer: another gateway ends it when somebody asks for the tier.
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

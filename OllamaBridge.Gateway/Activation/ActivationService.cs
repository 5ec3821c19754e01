using System.Collections.Immutable;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Admission;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Telemetry;

namespace OllamaBridge.Gateway.Activation;

/// <summary>Runs one <see cref="TierKeeper"/> for each cold tier, which activates the tier on demand and scales it to zero when it is idle.</summary>
internal sealed class ActivationService : BackgroundService
{
    private readonly IFleet _fleet;
    private readonly RequestQueue _queue;

    public ActivationService(
        TierDirectory tiers,
        IEnumerable<IInstanceActivator> activators,
        IFleet fleet,
        RequestQueue queue,
        ITierStore store,
        IOptions<SharingOptions> sharing,
        BridgeMetrics metrics,
        TimeProvider time,
        ILogger<ActivationService> logger)
    {
        (_fleet, _queue) = (fleet, queue);
        Keepers =
        [
            .. tiers.All.Select(tier => new TierKeeper(
                tier,
                activators.Single(a => string.Equals(a.Name, tier.Options.Activator, StringComparison.OrdinalIgnoreCase)),
                fleet,
                queue,
                new TierUse(tier, store, time),
                new TierDrain(tier, fleet, store, sharing.Value.Interval, time, logger),
                metrics,
                time,
                logger)),
        ];
        metrics.ObserveTiers(() => Keepers.Select(k => (k.Tier.Name, k.Wanted ?? k.Tier.InstancesOf(fleet.Current).Count(v => v.IsUsable))));
    }

    public ImmutableArray<TierKeeper> Keepers { get; }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (Keepers.IsEmpty)
            return;
        _queue.Starved += OnStarved;
        _fleet.Changed += OnFleetChanged;
        try
        {
            await Task.WhenAll(Keepers.Select(k => k.RunAsync(stoppingToken)));
        }
        finally
        {
            _queue.Starved -= OnStarved;
            _fleet.Changed -= OnFleetChanged;
        }
    }

    private void OnStarved(ColdTier cold)
    {
        foreach (var keeper in Keepers)
            if (keeper.Tier.Cold == cold)
                keeper.Starve();
    }

    private void OnFleetChanged()
    {
        foreach (var keeper in Keepers)
            keeper.NoteFleet();
    }
}

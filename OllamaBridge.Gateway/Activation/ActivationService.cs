using System.Collections.Immutable;
using System.Threading.Channels;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Queueing;

namespace OllamaBridge.Gateway.Activation;

/// <summary>Runs one <see cref="ScaleFromZeroController"/> for each cold tier, which activates the tier on demand and scales it to zero when it is idle.</summary>
internal sealed class ActivationService : BackgroundService
{
    private readonly IFleet _fleet;
    private readonly RequestQueue _queue;
    private readonly TierDirectory _tiers;
    private readonly Func<Tier, ScaleFromZeroController> _create;
    private readonly Channel<bool> _changes = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private readonly Dictionary<ScaleFromZeroController, (Task Task, CancellationTokenSource Stop)> _running = [];
    private ImmutableArray<ScaleFromZeroController> _keepers;

    public ActivationService(
        TierDirectory tiers,
        IEnumerable<IInstanceActivator> activators,
        IFleet fleet,
        RequestQueue queue,
        ITierStore store,
        IOptions<SharingOptions> sharing,
        ActivationMetrics metrics,
        TimeProvider time,
        ILogger<ActivationService> logger,
        Audit.AuditTrail? audit = null)
    {
        (_fleet, _queue, _tiers) = (fleet, queue, tiers);
        IInstanceActivator[] known = [.. activators];
        _create = tier => new ScaleFromZeroController(
            tier,
            known.Single(a => string.Equals(a.Name, tier.Options.Activator, StringComparison.OrdinalIgnoreCase)),
            fleet,
            queue,
            new TierUse(tier, store, time),
            new TierDrain(tier, fleet, store, sharing.Value.Interval, time, logger, audit),
            metrics,
            time,
            logger,
            audit);
        _keepers = [.. tiers.All.Select(_create)];
        metrics.ObserveTiers(() => Keepers.Select(k => (k.Tier.Name, k.Wanted ?? k.Tier.InstancesOf(fleet.Current).Count(v => v.IsUsable))));
    }

    public ImmutableArray<ScaleFromZeroController> Keepers => _keepers;

    /// <summary>Follows changed tiers: keepers of changed and removed tiers end, keepers of new ones start.</summary>
    public void Reconfigure() => _changes.Writer.TryWrite(true);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        _queue.Starved += OnStarved;
        _fleet.Changed += OnFleetChanged;
        try
        {
            Start(stoppingToken);
            while (await _changes.Reader.WaitToReadAsync(stoppingToken))
            {
                _changes.Reader.TryRead(out _);
                await StopAsync(_keepers.Where(k => !_tiers.All.Contains(k.Tier)));
                ImmutableInterlocked.InterlockedExchange(ref _keepers, [.. _tiers.All.Select(t => _keepers.FirstOrDefault(k => k.Tier == t) ?? _create(t))]);
                Start(stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The service stops.
        }
        finally
        {
            _queue.Starved -= OnStarved;
            _fleet.Changed -= OnFleetChanged;
            await StopAsync(_running.Keys.ToArray());
        }
    }

    private void Start(CancellationToken stoppingToken)
    {
        foreach (var keeper in _keepers.Where(k => !_running.ContainsKey(k)))
        {
            var stop = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken);
            _running[keeper] = (keeper.RunAsync(stop.Token), stop);
        }
    }

    private async Task StopAsync(IEnumerable<ScaleFromZeroController> keepers)
    {
        foreach (var keeper in keepers.ToArray())
            if (_running.Remove(keeper, out var running))
            {
                await running.Stop.CancelAsync();
                await running.Task.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                running.Stop.Dispose();
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

using System.Collections.Immutable;
using System.Threading.Channels;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Queueing;

namespace OllamaBridge.Gateway.Activation;

/// <summary>Runs one <see cref="ScaleFromZeroController"/> for each cold tier, which activates the tier on demand and scales it to zero when it is idle.</summary>
internal sealed class ActivationService : BackgroundService
{
    private readonly IFleet _fleet;
    private readonly RequestQueue _queue;
    private readonly TierDirectory _tiers;
    private readonly ScaleFromZeroControllerFactory _factory;
    private readonly Channel<bool> _changes = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private readonly Dictionary<ScaleFromZeroController, (Task Task, CancellationTokenSource Stop)> _running = [];
    private ImmutableArray<ScaleFromZeroController> _controllers;

    public ActivationService(TierDirectory tiers, ScaleFromZeroControllerFactory factory, IFleet fleet, RequestQueue queue, ActivationMetrics metrics)
    {
        (_tiers, _factory, _fleet, _queue) = (tiers, factory, fleet, queue);
        _controllers = [.. tiers.All.Select(factory.Create)];
        metrics.ObserveTiers(() => Controllers.Select(c => (c.Tier.Name, c.Wanted ?? c.Tier.InstancesOf(fleet.Current).Count(v => v.IsUsable))));
    }

    public ImmutableArray<ScaleFromZeroController> Controllers => _controllers;

    /// <summary>Follows changed tiers: controllers of changed and removed tiers end, controllers of new ones start.</summary>
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
                await StopAsync(_controllers.Where(c => !_tiers.All.Contains(c.Tier)));
                ImmutableInterlocked.InterlockedExchange(ref _controllers, [.. _tiers.All.Select(t => _controllers.FirstOrDefault(c => c.Tier == t) ?? _factory.Create(t))]);
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
        foreach (var controller in _controllers.Where(c => !_running.ContainsKey(c)))
        {
            var stop = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken);
            _running[controller] = (controller.RunAsync(stop.Token), stop);
        }
    }

    private async Task StopAsync(IEnumerable<ScaleFromZeroController> controllers)
    {
        foreach (var controller in controllers.ToArray())
            if (_running.Remove(controller, out var running))
            {
                await running.Stop.CancelAsync();
                await running.Task.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                running.Stop.Dispose();
            }
    }

    private void OnStarved(ColdTier cold)
    {
        foreach (var controller in Controllers)
            if (controller.Tier.Cold == cold)
                controller.NoteStarving();
    }

    private void OnFleetChanged()
    {
        foreach (var controller in Controllers)
            controller.NoteFleet();
    }
}

using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace OllamaBridge.Hosting;

/// <summary>Starts and stops a tier's resources as the bridge wishes, one wish after the other.</summary>
internal sealed class TierKeeper(
    OllamaBridgeResource bridge,
    TierListener listener,
    ResourceCommandService commands,
    ResourceNotificationService notifications,
    ILogger<TierKeeper> logger) : BackgroundService
{
    // What is started or waits for its turn is one that runs: it must not be started twice.
    private static readonly string[] Running =
        [KnownResourceStates.Running, KnownResourceStates.Starting, KnownResourceStates.Waiting, KnownResourceStates.Building, KnownResourceStates.RuntimeUnhealthy];

    /// <inheritdoc/>
    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        await listener.DisposeAsync();
    }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await foreach (var wish in listener.Wishes.ReadAllAsync(stoppingToken))
        {
            var resources = bridge.Instances.Where(i => string.Equals(i.Tier.Key, wish.Tier, StringComparison.OrdinalIgnoreCase)).ToDictionary(i => i.Name, i => i.Resource.Resource);
            var (start, stop) = TierPlan.Of([.. resources.Keys.Select(name => (name, Runs(name)))], wish.Instances!.Value);
            HostingLog.TierWished(logger, wish.Tier!, wish.Instances.Value, start.Count, stop.Count);
            await Task.WhenAll(
                start.Select(name => DoAsync(resources[name], KnownResourceCommands.StartCommand, stoppingToken))
                    .Concat(stop.Select(name => DoAsync(resources[name], KnownResourceCommands.StopCommand, stoppingToken))));
        }
    }

    private bool Runs(string name) => notifications.TryGetCurrentState(name, out var current) && Running.Contains(current.Snapshot.State?.Text);

    private async Task DoAsync(IResource resource, string command, CancellationToken cancellationToken)
    {
        var result = await commands.ExecuteCommandAsync(resource, command, cancellationToken);
        if (!result.Success && !result.Canceled)
            HostingLog.TierCommandFailed(logger, resource.Name, command, result.Message ?? "no reason given");
    }
}

using Aspire.Hosting.ApplicationModel;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace OllamaBridge.Hosting;

/// <summary>Starts and stops the resources of a tier as the bridge requests, one request after the other.</summary>
internal sealed class TierController(
    BridgeModel fleet,
    TierListener listener,
    ResourceCommandService commands,
    ResourceNotificationService notifications,
    ILogger<TierController> logger) : BackgroundService
{
    // A resource that starts or waits counts as running: it must not be started twice.
    private static readonly string[] Starting =
        [KnownResourceStates.Starting, KnownResourceStates.Waiting, KnownResourceStates.Building, KnownResourceStates.RuntimeUnhealthy];

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        await listener.DisposeAsync();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await foreach (var request in listener.Requests.ReadAllAsync(stoppingToken))
        {
            var resources = fleet.Instances
                .Where(i => string.Equals(i.Tier.Key, request.Tier, StringComparison.OrdinalIgnoreCase))
                .ToDictionary(i => i.Name, i => i.Resource.Resource);
            var (start, stop) = TierPlan.Of([.. resources.Keys.Select(name => (name, IsRunning(name)))], request.Instances!.Value);
            HostingLog.TierRequested(logger, request.Tier!, request.Instances.Value, start.Count, stop.Count);
            await Task.WhenAll(
                start.Select(name => ExecuteAsync(resources[name], KnownResourceCommands.StartCommand, stoppingToken))
                    .Concat(stop.Select(name => ExecuteAsync(resources[name], KnownResourceCommands.StopCommand, stoppingToken))));
        }
    }

    private bool IsRunning(string name) =>
        notifications.TryGetCurrentState(name, out var current)
        && current.Snapshot.State?.Text is { } state
        && (DrainStates.IsRunning(state) || Starting.Contains(state));

    private async Task ExecuteAsync(IResource resource, string command, CancellationToken cancellationToken)
    {
        var result = await commands.ExecuteCommandAsync(resource, command, cancellationToken);
        if (!result.Success && !result.Canceled)
            HostingLog.TierCommandFailed(logger, resource.Name, command, result.Message ?? "the orchestrator gives no reason");
    }
}

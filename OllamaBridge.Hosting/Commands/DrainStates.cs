using System.Text.Json;
using System.Text.Json.Nodes;
using Aspire.Hosting.ApplicationModel;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace OllamaBridge.Hosting;

/// <summary>Shows on each instance's resource whether it drains. The bridge is the source: a drain can be older than this application.</summary>
internal static class DrainStates
{
    public const string Draining = "Draining";
    public const string Drained = "Drained";

    /// <summary>Whether a state means that the resource runs.</summary>
    public static bool IsRunning(string? state) => state == KnownResourceStates.Running || IsDrain(state);

    /// <summary>Whether a state means that the bridge sends no new requests.</summary>
    public static bool IsDrain(string? state) => state is Draining or Drained;

    /// <summary>The state to show.</summary>
    /// <param name="current">The state that is shown.</param>
    /// <param name="isDraining">Whether the instance drains.</param>
    /// <param name="running">Its running requests.</param>
    /// <returns>Null if the state stays: it is right, or the resource does not run.</returns>
    public static ResourceStateSnapshot? Next(string? current, bool isDraining, int running)
    {
        if (!IsRunning(current))
            return null;
        var next = !isDraining
            ? new ResourceStateSnapshot(KnownResourceStates.Running, KnownResourceStateStyles.Success)
            : running > 0
                ? new ResourceStateSnapshot(Draining, KnownResourceStateStyles.Warn)
                : new ResourceStateSnapshot(Drained, KnownResourceStateStyles.Info);
        return next.Text == current ? null : next;
    }

    /// <summary>Publishes the state of an instance.</summary>
    public static async Task PublishAsync(IServiceProvider services, BridgeInstance instance, bool isDraining, int running)
    {
        var states = services.GetRequiredService<ResourceNotificationService>();
        var resource = instance.Resource.Resource;
        if (!states.TryGetCurrentState(instance.Name, out var current) || Next(current.Snapshot.State?.Text, isDraining, running) is null)
            return;
        // The state can change between the read and the update, for example because the instance stops.
        await states.PublishUpdateAsync(resource, current.ResourceId, snapshot =>
            Next(snapshot.State?.Text, isDraining, running) is { } next ? snapshot with { State = next } : snapshot);
    }

    /// <summary>Keeps the states current while the application runs.</summary>
    public static IResourceBuilder<IOllamaBridgeResource> WithDrainStates(this IResourceBuilder<IOllamaBridgeResource> bridge)
    {
        bridge.ApplicationBuilder.Services.AddSingleton<IHostedService>(services =>
            ActivatorUtilities.CreateInstance<DrainStateWatcher>(services, bridge.Resource.Fleet));
        return bridge;
    }
}

/// <summary>Reads the drain states from the bridge and publishes them.</summary>
internal sealed class DrainStateWatcher(BridgeModel fleet, IServiceProvider services, ILogger<DrainStateWatcher> logger) : BackgroundService
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(2);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Interval, services.GetService<TimeProvider>() ?? TimeProvider.System);
        while (await WaitAsync(timer, stoppingToken))
        {
            if (fleet.AdminEndpoint.IsAllocated)
                await ReadAsync(stoppingToken);
        }
    }

    private static async Task<bool> WaitAsync(PeriodicTimer timer, CancellationToken stoppingToken)
    {
        try
        {
            return await timer.WaitForNextTickAsync(stoppingToken);
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }

    private async Task ReadAsync(CancellationToken stoppingToken)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken);
        patience.CancelAfter(Interval);
        try
        {
            using var response = await BridgeClient.SendAsync(fleet, fleet.AdminEndpoint, HttpMethod.Get, "/bridge/instances", content: null, patience.Token);
            if (!response.IsSuccessStatusCode
                || JsonNode.Parse(await response.Content.ReadAsStringAsync(patience.Token)) is not JsonArray instances)
                return;
            foreach (var state in instances)
                if (fleet.Instances.FirstOrDefault(i => i.Name == state?["name"]?.GetValue<string>()) is { } instance)
                    await DrainStates.PublishAsync(
                        services, instance, state!["draining"]?.GetValue<bool>() == true, state["slotsUsed"]?.GetValue<int>() ?? 0);
        }
        catch (Exception e) when (e is HttpRequestException or JsonException or OperationCanceledException or InvalidOperationException)
        {
            // The bridge is starting, stopping or stopped; the next tick reads again.
            HostingLog.DrainStatesUnreadable(logger, fleet.Name, e.Message);
        }
    }
}

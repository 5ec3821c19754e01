using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace OllamaBridge.AppHost;

/// <summary>Adds the instances that the settings describe.</summary>
internal static partial class FleetBuilderExtensions
{
    /// <summary>Adds the instances of every tier, and logs their kind and the reason.</summary>
    public static void AddFleet(this IResourceBuilder<IOllamaBridgeResource> bridge, FleetSettings fleet)
    {
        var builder = bridge.ApplicationBuilder;
        var choice = BackendChoice.Of(
            fleet.Backend, builder.ExecutionContext.IsPublishMode, fleet.UrlList.Length > 0, Features.HasContainers, bridge.Resource.Fleet.Host);
        builder.OnBeforeStart((started, _) =>
        {
            var logger = started.Services.GetRequiredService<ILoggerFactory>().CreateLogger("OllamaBridge.AppHost");
            LogBackend(logger, bridge.Resource.Name, choice.Value, choice.Reason);
            return Task.CompletedTask;
        });

        if (choice.Value == FleetBackend.External)
        {
            bridge.WithExternalInstances(fleet.UrlList);
            return;
        }

        AddInstances(bridge, choice.Value, fleet.Instances, tier: null);
        foreach (var (name, tier) in fleet.Tiers)
            AddInstances(bridge, choice.Value, tier.Instances, name);
    }

    private static void AddInstances(IResourceBuilder<IOllamaBridgeResource> bridge, FleetBackend backend, int count, string? tier)
    {
        switch (backend)
        {
            case FleetBackend.Container:
                Features.Containers(bridge, count, tier);
                break;
            case FleetBackend.Executable:
                bridge.WithLocalInstances(count, tier);
                break;
            default:
                bridge.WithSimulatedInstances(count, tier);
                break;
        }
    }

    [LoggerMessage(2000, LogLevel.Information, "{Bridge}: instances are of kind {Backend} ({Reason})")]
    private static partial void LogBackend(ILogger logger, string bridge, FleetBackend backend, string reason);
}

using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Fleet.Breaker;
using OllamaBridge.Gateway.Fleet.Gpu;
using OllamaBridge.Gateway.Fleet.Weights;
using OllamaBridge.Gateway.Settings;

namespace OllamaBridge.Gateway.Fleet;

internal static class FleetServiceCollectionExtensions
{
    public static IServiceCollection AddFleet(this IServiceCollection services)
    {
        services.AddBridgeOptions<HealthOptions, HealthOptionsValidator>(HealthOptions.Section);
        services.AddBridgeOptions<BreakerOptions, BreakerOptionsValidator>(BreakerOptions.Section);
        services.AddSingleton<IValidateOptions<BreakerOptions>, BreakerTimesValidator>();
        services.AddBridgeOptions<SharingOptions, SharingOptionsValidator>(SharingOptions.Section);
        services.AddSingleton<IValidateOptions<SharingOptions>, SharingTimesValidator>();

        services.TryAddSingleton(TimeProvider.System);
        services.AddSingleton(provider => ActivatorUtilities.CreateInstance<InstanceProbe>(
            provider, provider.GetRequiredKeyedService<HttpMessageInvoker>(InstanceProbe.ClientKey)));
        services.AddSingleton<ModelWeights>();
        services.AddHostedService(provider => ActivatorUtilities.CreateInstance<WeightsReader>(
            provider, provider.GetRequiredKeyedService<HttpMessageInvoker>(InstanceProbe.ClientKey)));
        services.AddSingleton<FleetOwner>();
        services.AddSingleton<IFleet>(provider => provider.GetRequiredService<FleetOwner>());
        services.AddHostedService(provider => provider.GetRequiredService<FleetOwner>());
        services.AddSingleton<FleetSharing>();
        services.AddHostedService(provider => provider.GetRequiredService<FleetSharing>());
        services.AddHealthChecks().AddCheck<FleetHealthCheck>("fleet");
        services.AddSingleton<PlacementMetrics>();
        services.AddHostedService<FleetMetrics>();
        services.AddBridgeOptions<GpuOptions, GpuOptionsValidator>(GpuOptions.Section);
        services.AddSingleton<IValidateOptions<GpuOptions>, GpuExportersValidator>();
        services.AddSingleton<IGpuSource, GpuSource>();
        services.AddSingleton<GpuWatch>();
        services.AddHostedService(provider => provider.GetRequiredService<GpuWatch>());
        services.AddHostedService<GpuMetrics>();
        return services;
    }
}

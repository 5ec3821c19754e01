using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Discovery;
using OllamaBridge.Gateway.Discovery.Kubernetes;
using OllamaBridge.Gateway.Fleet.Breaker;
using OllamaBridge.Gateway.Fleet.Weights;

namespace OllamaBridge.Gateway.Fleet;

internal static class FleetServiceCollectionExtensions
{
    /// <summary>Adds the fleet: its instance source, its owner and its health check.</summary>
    public static IServiceCollection AddFleet(this IServiceCollection services)
    {
        services.AddBridgeOptions<FleetOptions, FleetOptionsValidator>(FleetOptions.Section);
        services.AddSingleton<IValidateOptions<FleetOptions>, InstanceListValidator>();
        services.AddBridgeOptions<HealthOptions, HealthOptionsValidator>(HealthOptions.Section);
        services.AddBridgeOptions<BreakerOptions, BreakerOptionsValidator>(BreakerOptions.Section);
        services.AddSingleton<IValidateOptions<BreakerOptions>, BreakerTimesValidator>();
        services.AddBridgeOptions<SharingOptions, SharingOptionsValidator>(SharingOptions.Section);
        services.AddSingleton<IValidateOptions<SharingOptions>, SharingTimesValidator>();

        services.TryAddSingleton(TimeProvider.System);
        services.AddDiscovery();
        services.AddSingleton<IInstanceSource, ConfiguredInstanceSource>();
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
        return services;
    }

    private static void AddDiscovery(this IServiceCollection services)
    {
        services.AddBridgeOptions<DnsOptions, DnsOptionsValidator>(DnsOptions.Section);
        services.AddSingleton<IValidateOptions<DnsOptions>, DnsServersValidator>();
        services.AddKubernetes();
        services.AddSingleton<DnsQueries>();
        services.AddSingleton<IHostLookup, DnsHostLookup>();
        services.AddSingleton<IGroupDiscovery, AddressDiscovery>();
        services.AddSingleton<IGroupDiscovery, SrvDiscovery>();
        services.AddSingleton<IGroupDiscovery, KubernetesDiscovery>();
    }
}

using OllamaBridge.Gateway.Discovery.Kubernetes;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Settings;

namespace OllamaBridge.Gateway.Discovery;

internal static class DiscoveryServiceCollectionExtensions
{
    public static IServiceCollection AddDiscovery(this IServiceCollection services)
    {
        services.AddBridgeOptions<FleetOptions, FleetOptionsValidator>(FleetOptions.Section);
        services.AddSingleton<IValidateOptions<FleetOptions>, InstanceListValidator>();
        services.AddBridgeOptions<DnsOptions, DnsOptionsValidator>(DnsOptions.Section);
        services.AddSingleton<IValidateOptions<DnsOptions>, DnsServersValidator>();
        services.AddKubernetes();
        services.AddSingleton<DnsQueries>();
        services.AddSingleton<IHostLookup, DnsHostLookup>();
        services.AddSingleton<IGroupDiscovery, AddressDiscovery>();
        services.AddSingleton<IGroupDiscovery, SrvDiscovery>();
        services.AddSingleton<IGroupDiscovery, KubernetesDiscovery>();
        services.AddSingleton<IInstanceSource, ConfiguredInstanceSource>();
        return services;
    }
}

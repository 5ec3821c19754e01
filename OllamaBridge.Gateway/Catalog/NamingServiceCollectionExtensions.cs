using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Catalog;

/// <summary>Registers the services of this folder.</summary>
internal static class NamingServiceCollectionExtensions
{
    public static IServiceCollection AddNaming(this IServiceCollection services)
    {
        services.AddBridgeOptions<ModelsOptions, ModelsOptionsValidator>(ModelsOptions.Section);
        services.AddSingleton<ModelChains>();
        services.AddSingleton<RegistryRules>();
        services.AddSingleton(provider => DigestsOf(provider.GetRequiredService<IOptions<ModelsOptions>>().Value));
        services.AddSingleton<FleetInventory>();
        return services;
    }

    /// <summary>Which digests the settings pin.</summary>
    internal static ModelDigests DigestsOf(ModelsOptions options) => new(options
        .Where(m => ModelDigests.Normalize(m.Digest) is not null)
        .ToDictionary(m => ModelName.KeyOf(m.Name!), m => m.Digest!, StringComparer.Ordinal));
}

using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Settings;

namespace OllamaBridge.Gateway.Catalog;

internal static class CatalogServiceCollectionExtensions
{
    public static IServiceCollection AddCatalog(this IServiceCollection services)
    {
        services.AddBridgeOptions<ModelsOptions, ModelsOptionsValidator>(ModelsOptions.Section);
        services.AddSingleton<ModelChains>();
        services.AddSingleton<RegistryRules>();
        services.AddSingleton(provider => DigestsOf(provider.GetRequiredService<IOptions<ModelsOptions>>().Value));
        services.AddSingleton<FleetInventory>();
        services.AddBridgeOptions<ManagementOptions, ManagementOptionsValidator>(ManagementOptions.Section);
        services.AddSingleton<IValidateOptions<ManagementOptions>, RegistriesValidator>();
        services.AddSingleton<ModelStoreLock>();
        services.AddSingleton<BlobPresence>();
        services.AddSingleton<ModelStoreWriters>();
        services.AddSingleton<CatalogMetrics>();
        return services;
    }

    internal static ModelDigests DigestsOf(ModelsOptions options) => new(options
        .Where(m => ModelDigests.Normalize(m.Digest) is not null)
        .ToDictionary(m => ModelName.KeyOf(m.Name!), m => m.Digest!, StringComparer.Ordinal));
}

using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Discovery;
using OllamaBridge.Gateway.Settings;

namespace OllamaBridge.Gateway.Fleet.Regions;

internal static class RegionsServiceCollectionExtensions
{
    public static IServiceCollection AddRegions(this IServiceCollection services)
    {
        services.AddBridgeOptions<RegionOptions, RegionOptionsValidator>(RegionOptions.Section);
        services.AddSingleton<IValidateOptions<RegionOptions>, PeerListValidator>();
        services.AddSingleton<IValidateOptions<FleetOptions>, PeerNamesValidator>();
        services.AddSingleton<RegionPeers>();
        services.AddSingleton<ConversationRegions>();
        services.AddSingleton<RegionReports>();
        return services.ConfigureHttpJsonOptions(o => o.SerializerOptions.TypeInfoResolverChain.Insert(0, RegionJson.Default));
    }
}

using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Regions;

/// <summary>The room of the other regions' bridges.</summary>
internal static class RegionsServiceCollectionExtensions
{
    /// <summary>Adds what knows of other regions. Without any, nothing of it is ever asked.</summary>
    public static IServiceCollection AddRegions(this IServiceCollection services)
    {
        services.AddBridgeOptions<RegionOptions, RegionOptionsValidator>(RegionOptions.Section);
        services.AddSingleton<IValidateOptions<RegionOptions>, PeerListValidator>();
        services.AddSingleton<IValidateOptions<FleetOptions>, PeerNamesValidator>();
        services.AddSingleton<RegionPeers>();
        services.AddSingleton<RegionRules>();
        services.AddSingleton<ConversationHomes>();
        services.AddSingleton<RegionReports>();
        services.AddSingleton<RegionStage>();
        return services.ConfigureHttpJsonOptions(o => o.SerializerOptions.TypeInfoResolverChain.Insert(0, RegionJson.Default));
    }
}

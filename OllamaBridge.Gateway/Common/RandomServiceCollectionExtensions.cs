using Microsoft.Extensions.DependencyInjection.Extensions;

namespace OllamaBridge.Gateway.Common;

internal static class RandomServiceCollectionExtensions
{
    /// <summary>Registers the source of chance. Tests register a seeded one before.</summary>
    public static IServiceCollection TryAddRandom(this IServiceCollection services)
    {
#pragma warning disable RS0030 // The one permitted use.
        services.TryAddSingleton(Random.Shared);
#pragma warning restore RS0030
        return services;
    }
}

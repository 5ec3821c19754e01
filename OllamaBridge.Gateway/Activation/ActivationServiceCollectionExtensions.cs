using System.Collections.Immutable;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Kubernetes;

namespace OllamaBridge.Gateway.Activation;

/// <summary>Registers the activation of cold tiers.</summary>
internal static class ActivationServiceCollectionExtensions
{
    public static IServiceCollection AddActivation(this IServiceCollection services)
    {
        services.AddKubernetes();
        services.AddBridgeOptions<TiersOptions, TiersOptionsValidator>(TiersOptions.Section);
        services.AddSingleton<TierDirectory>();
        services.AddSingleton(provider => provider.GetRequiredService<TierDirectory>().Cold);
        services.AddSingleton<IInstanceActivator, KubernetesActivator>();
        services.AddSingleton<IInstanceActivator, HttpActivator>();
        services.AddSingleton<ActivationService>();
        services.AddHostedService(provider => provider.GetRequiredService<ActivationService>());
        return services;
    }
}

/// <summary>The configured tiers, sorted by name.</summary>
internal sealed class TierDirectory
{
    public TierDirectory(IOptions<TiersOptions> options)
    {
        All =
        [
            .. options.Value.OrderBy(t => t.Key, StringComparer.OrdinalIgnoreCase)
                .Select(t => new Tier(new ColdTier(t.Key, t.Value.Models, t.Value.PrefixOf(t.Key), t.Value.StartTimeout) { IsExclusive = t.Value.Exclusive }, t.Value)),
        ];
        Cold = new ColdTiers(All.Select(t => t.Cold));
    }

    public ImmutableArray<Tier> All { get; }

    /// <summary>The same tiers in the form that the fleet and the queue use.</summary>
    public ColdTiers Cold { get; }
}

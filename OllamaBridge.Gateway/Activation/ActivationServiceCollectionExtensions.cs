using System.Collections.Immutable;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Discovery.Kubernetes;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Settings;

namespace OllamaBridge.Gateway.Activation;

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
        services.AddSingleton<ActivationMetrics>();
        services.AddSingleton<ScaleFromZeroControllerFactory>();
        services.AddSingleton<ActivationService>();
        services.AddHostedService(provider => provider.GetRequiredService<ActivationService>());
        return services;
    }
}

/// <summary>The configured tiers, sorted by name.</summary>
internal sealed class TierDirectory
{
    private volatile Listing _listing;

    public TierDirectory(IOptions<TiersOptions> options) => _listing = Read(options.Value, []);

    public ImmutableArray<Tier> All => _listing.All;

    public ColdTiers Cold => _listing.Cold;

    /// <summary>Takes in changed settings, and returns whether anything has changed. A tier whose settings are the same stays the same object.</summary>
    public bool Configure(TiersOptions options)
    {
        var (before, after) = (_listing, Read(options, _listing.All));
        _listing = after;
        return !before.All.SequenceEqual(after.All);
    }

    private static Listing Read(TiersOptions options, ImmutableArray<Tier> known)
    {
        ImmutableArray<Tier> all = [.. options.OrderBy(t => t.Key, StringComparer.OrdinalIgnoreCase).Select(t => Find(known, t.Key, t.Value) ?? Make(t.Key, t.Value))];
        return new Listing(all, new ColdTiers(all.Select(t => t.Cold)));
    }

    private static Tier? Find(ImmutableArray<Tier> known, string name, TierOptions options) =>
        known.FirstOrDefault(t => t.Name == name && t.Options with { Models = options.Models } == options && t.Options.Models.SequenceEqual(options.Models, StringComparer.Ordinal));

    private static Tier Make(string name, TierOptions options) =>
        new(new ColdTier(name, options.Models, options.PrefixOf(name), options.StartTimeout) { IsExclusive = options.Exclusive }, options);

    private sealed record Listing(ImmutableArray<Tier> All, ColdTiers Cold);
}

using System.Globalization;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace OllamaBridge.Hosting;

/// <summary>Lets the bridge start the instances of a tier that does not start by itself: cold, until one of its models is asked for.</summary>
internal static class TierActivation
{
    /// <summary>Tells the bridge of the tier and hears what it wishes. Where something is published, the platform is asked instead.</summary>
    public static void WithActivation(this IResourceBuilder<OllamaBridgeResource> bridge, InstanceTier tier)
    {
        if (bridge.ApplicationBuilder.ExecutionContext.IsPublishMode || !tier.StartsOnDemand)
            return;
        var listener = bridge.Listener();
        listener.Add(tier.Key!, () => tier.Count);
        bridge.WithEnvironment(context =>
        {
            Write(context.EnvironmentVariables, tier, "Http");
            context.EnvironmentVariables[$"Bridge__Tiers__{tier.Key}__Url"] = listener;
            context.EnvironmentVariables[$"Bridge__Tiers__{tier.Key}__ApiKey"] = listener.Key;
        });
    }

    /// <summary>Writes what the bridge is told of a tier (section <c>Bridge:Tiers</c>), whoever starts its instances.</summary>
    /// <param name="environment">Receives the variables.</param>
    /// <param name="tier">The tier.</param>
    /// <param name="activator">Who starts them.</param>
    public static void Write(IDictionary<string, object> environment, InstanceTier tier, string activator)
    {
        var key = $"Bridge__Tiers__{tier.Key}__";
        foreach (var (i, model) in tier.OwnModels.Index())
            environment[string.Create(CultureInfo.InvariantCulture, $"{key}Models__{i}")] = model;
        environment[$"{key}Activator"] = activator;
        environment[$"{key}MaxInstances"] = tier.Count.ToString(CultureInfo.InvariantCulture);
    }

    private static TierListener Listener(this IResourceBuilder<OllamaBridgeResource> bridge)
    {
        if (bridge.Resource.Listener is { } there)
            return there;
        var listener = bridge.Resource.Listener = new TierListener();
        bridge.ApplicationBuilder.Services.AddSingleton<IHostedService>(services =>
            ActivatorUtilities.CreateInstance<TierKeeper>(services, bridge.Resource, listener));
        return listener;
    }
}

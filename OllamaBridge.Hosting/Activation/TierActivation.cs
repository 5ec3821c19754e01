using System.Globalization;
using Aspire.Hosting;
using Aspire.Hosting.ApplicationModel;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace OllamaBridge.Hosting;

/// <summary>Lets the bridge start the instances of a cold tier when a request needs one of its models.</summary>
internal static class TierActivation
{
    /// <summary>Configures the tier in the bridge and accepts the bridge's requests. A published application uses the platform instead.</summary>
    public static void WithActivation(this IResourceBuilder<IOllamaBridgeResource> bridge, InstanceTier tier)
    {
        if (bridge.ApplicationBuilder.ExecutionContext.IsPublishMode || !tier.StartsOnDemand)
            return;
        var listener = bridge.Listener();
        if (!listener.TryAdd(tier.Key!, () => tier.Count))
            return;
        bridge.WithEnvironment(context =>
        {
            Write(context.EnvironmentVariables, tier, "Http");
            context.EnvironmentVariables[$"Bridge__Tiers__{tier.Key}__Url"] = listener;
            context.EnvironmentVariables[$"Bridge__Tiers__{tier.Key}__ApiKey"] = listener.Key;
        });
    }

    /// <summary>Writes the gateway's settings of a tier (section <c>Bridge:Tiers</c>).</summary>
    /// <param name="environment">Receives the variables.</param>
    /// <param name="tier">The tier.</param>
    /// <param name="activator">The name of the gateway's activator.</param>
    public static void Write(IDictionary<string, object> environment, InstanceTier tier, string activator)
    {
        var key = $"Bridge__Tiers__{tier.Key}__";
        foreach (var (i, model) in tier.OwnModels.Index())
            environment[string.Create(CultureInfo.InvariantCulture, $"{key}Models__{i}")] = model;
        environment[$"{key}Activator"] = activator;
        environment[$"{key}MaxInstances"] = tier.Count.ToString(CultureInfo.InvariantCulture);
    }

    private static TierListener Listener(this IResourceBuilder<IOllamaBridgeResource> bridge)
    {
        var fleet = bridge.Resource.Fleet;
        if (fleet.Listener is { } existing)
            return existing;
        var listener = fleet.Listener = new TierListener();
        bridge.ApplicationBuilder.Services.AddSingleton<IHostedService>(services =>
            ActivatorUtilities.CreateInstance<TierController>(services, fleet, listener));
        return listener;
    }
}

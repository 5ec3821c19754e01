using Aspire.Hosting.ApplicationModel;
using OllamaBridge.Hosting;

namespace Aspire.Hosting;

/// <summary>Adds instances to a bridge: simulated, local and external ones. Containers come with <c>OllamaBridge.Hosting.Containers</c>.</summary>
public static class BridgeInstanceExtensions
{
    /// <summary>Adds simulated Ollama servers: the whole API, generated text, no GPU. They have the fleet's models from the start.</summary>
    /// <param name="bridge">The bridge.</param>
    /// <param name="count">The number of instances to add.</param>
    /// <param name="tier">The name of their tier; null for the default one.</param>
    [AspireExport]
    public static IResourceBuilder<IOllamaBridgeResource> WithSimulatedInstances(
        this IResourceBuilder<IOllamaBridgeResource> bridge, int count, string? tier = null) =>
        bridge.AddInstances(count, tier, SimulatedInstances.Add, pullsModels: false);

    /// <summary>Adds local Ollama servers: <c>ollama serve</c> from PATH, all with the user's own model folder.</summary>
    /// <param name="bridge">The bridge.</param>
    /// <param name="count">The number of instances to add.</param>
    /// <param name="tier">The name of their tier; null for the default one.</param>
    [AspireExport]
    public static IResourceBuilder<IOllamaBridgeResource> WithLocalInstances(
        this IResourceBuilder<IOllamaBridgeResource> bridge, int count, string? tier = null) =>
        bridge.AddInstances(count, tier, LocalInstances.Add, pullsModels: true);

    /// <summary>Adds servers that run already, such as <c>http://10.0.0.5:11434</c>. They keep their own models.</summary>
    /// <param name="bridge">The bridge.</param>
    /// <param name="urls">Their addresses.</param>
    /// <exception cref="UriFormatException">An address is not a URL.</exception>
    [AspireExport]
    public static IResourceBuilder<IOllamaBridgeResource> WithExternalInstances(this IResourceBuilder<IOllamaBridgeResource> bridge, params string[] urls)
    {
        ArgumentNullException.ThrowIfNull(bridge);
        ArgumentNullException.ThrowIfNull(urls);
        foreach (var url in urls)
        {
            var fleet = bridge.Resource.Fleet;
            var name = fleet.DefaultTier.InstanceName(fleet.Instances.Count);
            var server = bridge.ApplicationBuilder.AddExternalService(name, new Uri(url)).WithHttpHealthCheck("/").WithIconName("CloudLink");
            bridge.WithReferenceRelationship(server.Resource);
            bridge.Register(new BridgeInstance(name, fleet.DefaultTier, server, Endpoint: null, url.TrimEnd('/')));
        }

        return bridge;
    }

    /// <summary>Creates one instance.</summary>
    /// <param name="bridge">Its bridge.</param>
    /// <param name="tier">Its tier.</param>
    /// <param name="name">Its name.</param>
    /// <param name="index">Its position in the fleet, from 0. It decides about the GPU.</param>
    internal delegate BridgeInstance InstanceFactory(IResourceBuilder<IOllamaBridgeResource> bridge, InstanceTier tier, string name, int index);

    /// <summary>Adds instances to a tier; one resource for all of them when the application is published.</summary>
    internal static IResourceBuilder<IOllamaBridgeResource> AddInstances(
        this IResourceBuilder<IOllamaBridgeResource> bridge, int count, string? tierKey, InstanceFactory create, bool pullsModels)
    {
        ArgumentNullException.ThrowIfNull(bridge);
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        var fleet = bridge.Resource.Fleet;
        var tier = fleet.Tier(tierKey);
        tier.Count += count;
        var publish = bridge.ApplicationBuilder.ExecutionContext.IsPublishMode;
        var existing = fleet.Instances.Count(i => i.Tier == tier);
        for (var i = existing; i < (publish ? 1 : existing + count); i++)
            bridge.Register(create(bridge, tier, publish ? tier.Name : tier.InstanceName(i), fleet.Instances.Count));
        bridge.WithActivation(tier);
        if (pullsModels && fleet.Pulls.Count == 0)
            foreach (var model in fleet.Models)
                bridge.AddPull(model);
        return bridge;
    }

    /// <summary>Lets the first instance pull a model. Nothing waits for it: other models and other servers stay usable.</summary>
    internal static void AddPull(this IResourceBuilder<IOllamaBridgeResource> bridge, string model)
    {
        var fleet = bridge.Resource.Fleet;
        if (fleet.Instances.FirstOrDefault() is not { Resource: IResourceBuilder<IResourceWithEndpoints> owner, Endpoint: { } endpoint }
            || owner.Resource is ISimulatedOllama)
            return;
        var builder = bridge.ApplicationBuilder;
        var name = Names.ForModel("model", model, taken => builder.Resources.Any(r => r.Name == taken));
        fleet.Pulls.Add(builder.AddModelPull(name, model, owner, endpoint));
    }

    /// <summary>Registers an instance with its bridge.</summary>
    private static void Register(this IResourceBuilder<IOllamaBridgeResource> bridge, BridgeInstance instance)
    {
        var fleet = bridge.Resource.Fleet;
        var isFirst = fleet.Instances.Count == 0;
        fleet.Add(instance);
        if (instance.Endpoint is { } endpoint)
            bridge.WithReference(endpoint);
        if (bridge.ApplicationBuilder.ExecutionContext.IsPublishMode)
            return;

        bridge.WithInstanceCommands(instance);
        if (instance.Endpoint is null)
            return;

        // The orchestrator's proxy accepts connections for a dead server and never responds, so the bridge could not distinguish it from a slow one.
        bridge.ApplicationBuilder.CreateResourceBuilder((IResourceWithEndpoints)instance.Resource.Resource)
            .WithEndpoint(BridgeModel.HttpEndpoint, e => e.IsProxied = false);
        // The bridge is usable as soon as one instance is, and detects by itself when the others are ready.
        if (isFirst && instance.Resource is IResourceBuilder<IResourceWithWaitSupport> first)
            bridge.WaitFor(first);
        // Servers with one folder start one after the other: the first one creates the keys and folders for all of them.
        else if (!isFirst && fleet.Instances[0].Resource is IResourceBuilder<IResourceWithEndpoints> { Resource: not ISimulatedOllama } owner
            && instance.Resource is IResourceBuilder<IResourceWithWaitSupport> waiting)
            waiting.WaitFor(owner);
    }

    /// <summary>Lets a container outlive the application, on a port that stays the same.</summary>
    internal static void Persist(this BridgeInstance instance)
    {
        if (instance.Resource is not IResourceBuilder<ContainerResource> container || !container.ApplicationBuilder.ExecutionContext.IsRunMode)
            return;
        container.WithLifetime(ContainerLifetime.Persistent)
            // For the orchestrator, a container with another port is another container, which it would create again at each start.
            .WithEndpoint(BridgeModel.HttpEndpoint, e => e.Port ??= PersistentPorts.Of(instance.Name));
    }
}

/// <summary>Ports of persistent containers: the same at every start.</summary>
internal static class PersistentPorts
{
    // Below the range that the orchestrator and the operating system assign from.
    private const int First = 11500;
    private const int Count = 1000;

    /// <summary>A port for a name.</summary>
    public static int Of(string name) => First + (int)(name.Aggregate(17u, (hash, c) => unchecked((hash * 31) + c)) % Count);
}

using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace OllamaBridge.Hosting;

/// <summary>Adds a bridge with its fleet to an application.</summary>
public static class OllamaBridgeBuilderExtensions
{
    private const string HealthPath = "/health";
    private const int ContainerPort = 11400;

    /// <summary>Adds the bridge, without instances as yet.</summary>
    /// <param name="builder">The application.</param>
    /// <param name="name">The bridge's name; clients that are wired to it get their connection string under it.</param>
    /// <param name="port">Its port on this machine; null for any that is free.</param>
    public static IResourceBuilder<OllamaBridgeResource> AddOllamaBridge(
        this IDistributedApplicationBuilder builder, [ResourceName] string name, int? port = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return AddOllamaBridge(builder, name, port, HostProbe.Of(builder));
    }

    internal static IResourceBuilder<OllamaBridgeResource> AddOllamaBridge(
        this IDistributedApplicationBuilder builder, string name, int? port, IHostProbe host)
    {
        var publish = builder.ExecutionContext.IsPublishMode;
        var bridge = builder.AddResource(new OllamaBridgeResource(name, host))
            .WithAnnotation(new Projects.OllamaBridge_Gateway())
            .WithProjectDefaults(new ProjectResourceOptions { ExcludeLaunchProfile = true })
            .WithHttpEndpoint(port: publish ? ContainerPort : port, targetPort: publish ? ContainerPort : null, name: OllamaBridgeResource.HttpEndpoint)
            .WithExternalHttpEndpoints()
            .WithHttpHealthCheck(HealthPath)
            .WithIconName("BranchFork");
        // Whoever trusts every X-Forwarded-For lets everybody call himself local.
        bridge.DisableForwardedHeaders();
        // Connection string and service discovery are what the gateway reads; a password in further variables would only be further places to leak.
        bridge.WithReferenceEnvironment(ReferenceEnvironmentInjectionFlags.ConnectionString | ReferenceEnvironmentInjectionFlags.ServiceDiscovery);
        bridge.WithEnvironment(context => BridgeEnvironment.Write(bridge.Resource, context.EnvironmentVariables, publish));
        if (!publish)
            bridge.WithBridgeLinks().WithTestPrompt();
        return bridge;
    }

    /// <summary>Chooses what the instances are; <see cref="FleetBackend.Auto"/> unless called. Before the first instance is added.</summary>
    /// <exception cref="InvalidOperationException">There are instances already.</exception>
    public static IResourceBuilder<OllamaBridgeResource> WithBackend(this IResourceBuilder<OllamaBridgeResource> bridge, FleetBackend backend)
    {
        ArgumentNullException.ThrowIfNull(bridge);
        if (bridge.Resource.Backend is not null)
            throw new InvalidOperationException($"{nameof(WithBackend)} comes before the first instance of '{bridge.Resource.Name}' is added.");
        bridge.Resource.WantedBackend = backend;
        return bridge;
    }

    /// <summary>Servers that run already: they become the fleet's instances.</summary>
    /// <param name="bridge">The bridge.</param>
    /// <param name="urls">Their addresses, separated by commas; null or empty for none.</param>
    /// <exception cref="InvalidOperationException">There are instances of another kind already.</exception>
    public static IResourceBuilder<OllamaBridgeResource> WithExternalUrls(this IResourceBuilder<OllamaBridgeResource> bridge, string? urls)
    {
        ArgumentNullException.ThrowIfNull(bridge);
        var resource = bridge.Resource;
        resource.Urls = [.. resource.Urls, .. Names.Split(urls)];
        if (resource.Urls.Count == 0)
            return bridge;
        if (bridge.ChooseBackend() != FleetBackend.External)
            throw new InvalidOperationException($"'{resource.Name}' has instances of the kind {resource.Backend!.Value.Value}; external ones do not mix with them.");
        foreach (var url in Names.Split(urls))
            bridge.AddExternalInstance(new Uri(url));
        return bridge;
    }

    /// <summary>How every server is set up, where a tier does not say otherwise.</summary>
    public static IResourceBuilder<OllamaBridgeResource> WithServer(this IResourceBuilder<OllamaBridgeResource> bridge, ServerSettings server)
    {
        ArgumentNullException.ThrowIfNull(bridge);
        ArgumentNullException.ThrowIfNull(server);
        bridge.Resource.Server = server.Or(bridge.Resource.Server);
        return bridge;
    }

    /// <summary>What each instance may use of its machine, where a tier does not say otherwise.</summary>
    public static IResourceBuilder<OllamaBridgeResource> WithLimits(this IResourceBuilder<OllamaBridgeResource> bridge, LimitSettings limits)
    {
        ArgumentNullException.ThrowIfNull(bridge);
        ArgumentNullException.ThrowIfNull(limits);
        bridge.Resource.Limits = limits;
        return bridge;
    }

    /// <summary>Which GPUs the instances get, one each, in turn.</summary>
    public static IResourceBuilder<OllamaBridgeResource> WithGpus(this IResourceBuilder<OllamaBridgeResource> bridge, GpuSettings gpus)
    {
        ArgumentNullException.ThrowIfNull(bridge);
        ArgumentNullException.ThrowIfNull(gpus);
        bridge.Resource.Gpus = gpus;
        return bridge;
    }

    /// <summary>Which GPUs the instances get, one each, in turn.</summary>
    /// <param name="bridge">The bridge.</param>
    /// <param name="vendor">Whose.</param>
    /// <param name="devices">Their numbers or UUIDs; none for all that are found.</param>
    public static IResourceBuilder<OllamaBridgeResource> WithGpus(
        this IResourceBuilder<OllamaBridgeResource> bridge, GpuVendor vendor, params string[] devices) =>
        bridge.WithGpus(new GpuSettings { Vendor = vendor, Devices = string.Join(',', devices) });

    /// <summary>Adds instances <c>ollama-1</c>, <c>ollama-2</c>, … When something is published they are one resource, which the platform replicates.</summary>
    /// <param name="bridge">The bridge.</param>
    /// <param name="count">How many. With external servers it does not count: they are as many as there are addresses.</param>
    public static IResourceBuilder<OllamaBridgeResource> WithInstances(this IResourceBuilder<OllamaBridgeResource> bridge, int count)
    {
        ArgumentNullException.ThrowIfNull(bridge);
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        bridge.AddTierInstances(bridge.Resource.DefaultTier, count);
        return bridge;
    }

    /// <summary>Adds a further group of like instances, <c>ollama-NAME-1</c> and so on: for example a cold one for large, rare models.</summary>
    /// <param name="bridge">The bridge.</param>
    /// <param name="name">The group's name.</param>
    /// <param name="settings">How it differs.</param>
    public static IResourceBuilder<OllamaBridgeResource> WithTier(this IResourceBuilder<OllamaBridgeResource> bridge, string name, TierSettings settings)
    {
        ArgumentNullException.ThrowIfNull(bridge);
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        ArgumentNullException.ThrowIfNull(settings);
        var tier = new InstanceTier(bridge.Resource, $"{bridge.Resource.DefaultTier.Name}-{name}") { Key = name, Settings = settings };
        if (bridge.Resource.Tiers.Exists(t => t.Name == tier.Name))
            throw new InvalidOperationException($"'{bridge.Resource.Name}' has the tier '{name}' already.");
        bridge.Resource.Tiers.Add(tier);
        bridge.AddTierInstances(tier, settings.Instances);
        bridge.WithActivation(tier);
        return settings.Models is null ? bridge : bridge.WithModels(settings.Models);
    }

    /// <summary>Adds a model: pulled once into the shared volume, by the first instance; the other instances wait for it.</summary>
    /// <param name="bridge">The bridge.</param>
    /// <param name="model">Its name; without a tag it means <c>:latest</c>.</param>
    public static IResourceBuilder<OllamaBridgeResource> WithModel(this IResourceBuilder<OllamaBridgeResource> bridge, string model)
    {
        ArgumentNullException.ThrowIfNull(bridge);
        var known = bridge.Resource.Models.Count;
        bridge.Resource.AddModel(model);
        if (bridge.Resource.Models.Count > known)
            bridge.AddDownload(bridge.Resource.Models[known]);
        return bridge;
    }

    /// <summary>Adds models.</summary>
    /// <param name="bridge">The bridge.</param>
    /// <param name="models">Their names, separated by commas.</param>
    public static IResourceBuilder<OllamaBridgeResource> WithModels(this IResourceBuilder<OllamaBridgeResource> bridge, string models)
    {
        foreach (var model in Names.Split(models))
            bridge.WithModel(model);
        return bridge;
    }

    /// <summary>Gives the bridge the store that its replicas share: Redis, or whatever speaks its protocol.</summary>
    /// <param name="bridge">The bridge.</param>
    /// <param name="state">The store; the bridge finds it as the connection string <c>state</c>, whatever the resource is called.</param>
    public static IResourceBuilder<OllamaBridgeResource> WithState(
        this IResourceBuilder<OllamaBridgeResource> bridge, IResourceBuilder<IResourceWithConnectionString> state)
    {
        ArgumentNullException.ThrowIfNull(bridge);
        ArgumentNullException.ThrowIfNull(state);
        bridge.Resource.State = state.Resource;
        return bridge.WithReference(state, connectionName: "state").WaitFor(state);
    }

    /// <summary>Wires a client to the bridge.</summary>
    /// <remarks>
    /// It gets <c>ConnectionStrings__NAME</c> for Ollama's and OllamaSharp's clients, <c>ConnectionStrings__NAME-openai</c> for OpenAI's,
    /// the address for service discovery, and <c>NAME_URI</c>, <c>NAME_MODEL</c> and so on for other languages.
    /// </remarks>
    /// <param name="client">The client.</param>
    /// <param name="bridge">The bridge.</param>
    public static IResourceBuilder<T> WithReference<T>(this IResourceBuilder<T> client, IResourceBuilder<OllamaBridgeResource> bridge)
        where T : IResourceWithEnvironment
    {
        ArgumentNullException.ThrowIfNull(client);
        ArgumentNullException.ThrowIfNull(bridge);
        var resource = bridge.Resource;
        return client
            .WithReference((IResourceBuilder<IResourceWithConnectionString>)bridge)
            .WithReference(resource.PrimaryEndpoint)
            .WithEnvironment(context => context.EnvironmentVariables[$"ConnectionStrings__{resource.Name}-openai"] = resource.OpenAIConnectionStringExpression);
    }

    /// <summary>The kind of the instances: chosen with the first of them, and said in the log when the application starts.</summary>
    internal static FleetBackend ChooseBackend(this IResourceBuilder<OllamaBridgeResource> bridge)
    {
        var resource = bridge.Resource;
        if (resource.Backend is { } chosen)
            return chosen.Value;
        var builder = bridge.ApplicationBuilder;
        var choice = Choices.Backend(resource.WantedBackend, builder.ExecutionContext.IsPublishMode, resource.Urls.Count > 0, resource.Host);
        resource.Backend = choice;
        builder.OnBeforeStart((started, _) =>
        {
            var logger = started.Services.GetRequiredService<ILoggerFactory>().CreateLogger(typeof(OllamaBridgeResource).Namespace!);
            HostingLog.Instances(logger, resource.Name, choice.Value, choice.Reason);
            if (!builder.ExecutionContext.IsPublishMode && choice.Value is FleetBackend.Container or FleetBackend.Executable)
                SayGpus(resource, logger);
            return Task.CompletedTask;
        });
        return choice.Value;
    }

    private static void SayGpus(OllamaBridgeResource resource, ILogger logger)
    {
        var gpus = Choices.Gpus(resource.Gpus, publish: false, resource.Host);
        HostingLog.Gpus(logger, gpus.Value.Vendor, string.Join(',', gpus.Value.Devices), gpus.Reason);
        if (gpus.Value.Devices.Count > 0 && gpus.Value.Devices.Count < resource.Instances.Count)
            HostingLog.GpusShared(logger, resource.Instances.Count, gpus.Value.Devices.Count);
    }
}

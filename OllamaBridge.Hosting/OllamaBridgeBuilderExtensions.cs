using Aspire.Hosting.ApplicationModel;
using OllamaBridge.Hosting;

namespace Aspire.Hosting;

/// <summary>Adds an OllamaBridge gateway to an application.</summary>
public static class OllamaBridgeBuilderExtensions
{
    private const string HealthPath = "/health";
    private const string AlivePath = "/alive";
    private const int ContainerPort = 11400;
    private const int AdminContainerPort = 11401;

    /// <summary>Adds a bridge without instances.</summary>
    /// <remarks>
    /// It runs as the .NET tool <c>OllamaBridge.Gateway</c> and is published as the container image <c>ollamabridge/gateway</c>, both in
    /// this package's version.
    /// </remarks>
    /// <param name="builder">The application builder.</param>
    /// <param name="name">The bridge's name. Clients wired to it find their connection string under it.</param>
    /// <param name="port">The clients' port on this machine; null for a free one.</param>
    /// <param name="adminPort">The operators' port on this machine; null for a free one.</param>
    [AspireExport]
    public static IResourceBuilder<IOllamaBridgeResource> AddOllamaBridge(
        this IDistributedApplicationBuilder builder, [ResourceName] string name, int? port = null, int? adminPort = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return AddOllamaBridge(builder, name, port, adminPort, HostProbe.Of(builder));
    }

    internal static IResourceBuilder<IOllamaBridgeResource> AddOllamaBridge(
        this IDistributedApplicationBuilder builder, string name, int? port, int? adminPort, IHostProbe host)
    {
        var publish = builder.ExecutionContext.IsPublishMode;
        var bridge = AddProgram(builder, name, host)
            .WithHttpEndpoint(port: publish ? ContainerPort : port, targetPort: publish ? ContainerPort : null, name: BridgeModel.HttpEndpoint)
            .WithExternalHttpEndpoints()
            .WithHttpEndpoint(
                port: publish ? AdminContainerPort : adminPort, targetPort: publish ? AdminContainerPort : null, name: BridgeModel.AdminEndpointName)
            .WithHttpHealthCheck(HealthPath, endpointName: BridgeModel.HttpEndpoint)
            .WithProbes(startup: new(HealthPath, 5, 30), readiness: new(HealthPath, 5, 2), liveness: new(AlivePath, 5, 6))
            .WithIconName("BranchFork");
        // The gateway reads the connection string and service discovery. Further variables with the password would only be further places to leak it.
        bridge.WithReferenceEnvironment(ReferenceEnvironmentInjectionFlags.ConnectionString | ReferenceEnvironmentInjectionFlags.ServiceDiscovery);
        bridge.WithEnvironment(context => BridgeEnvironment.Write(bridge.Resource.Fleet, context.EnvironmentVariables, publish));
        if (!publish)
        {
            // A proxy would accept connections for a gateway that has died; several replicas need it, because they share the port.
            bridge.WithProxy(bridge.Resource.Fleet.Replicas > 1);
            bridge.WithBridgeLinks().WithTestPrompt().WithDrainStates();
        }

        return bridge;
    }

    private static IResourceBuilder<IOllamaBridgeResource> AddProgram(IDistributedApplicationBuilder builder, string name, IHostProbe host)
    {
        if (Programs.Of(builder).Gateway is { } project)
        {
            var bridge = Programs.AddProject(builder, new BridgeProjectResource(name, host), project());
            // Trusting every X-Forwarded-For would let every client claim a local address.
            bridge.DisableForwardedHeaders();
            // Aspire writes the addresses of all endpoints as the clients'; the gateway has a setting of its own for the operators'.
            bridge.WithEndpointsInEnvironment(endpoint => endpoint.Name != BridgeModel.AdminEndpointName);
            return bridge;
        }

        if (builder.ExecutionContext.IsPublishMode)
            return builder.AddResource(new BridgeContainerResource(name, host)).WithImage(Programs.GatewayImage, Programs.Version);
        var tool = Programs.AddTool(builder, new BridgeToolResource(name, host));
        var port = tool.GetEndpoint(BridgeModel.HttpEndpoint).Property(EndpointProperty.TargetPort);
        return tool.WithEnvironment("ASPNETCORE_URLS", ReferenceExpression.Create($"http://localhost:{port}"));
    }

    private static IResourceBuilder<IOllamaBridgeResource> WithProxy(this IResourceBuilder<IOllamaBridgeResource> bridge, bool isProxied)
    {
        foreach (var name in (string[])[BridgeModel.HttpEndpoint, BridgeModel.AdminEndpointName])
            bridge.WithEndpoint(name, endpoint => endpoint.IsProxied = isProxied);
        return bridge;
    }

    /// <summary>Sets the configuration of every Ollama server, unless its tier differs. Null values leave earlier ones unchanged.</summary>
    /// <param name="bridge">The bridge.</param>
    /// <param name="server">The settings.</param>
    [AspireExport]
    public static IResourceBuilder<IOllamaBridgeResource> WithServerOptions(this IResourceBuilder<IOllamaBridgeResource> bridge, BridgeServerOptions server)
    {
        ArgumentNullException.ThrowIfNull(bridge);
        ArgumentNullException.ThrowIfNull(server);
        bridge.Resource.Fleet.Server = server.Or(bridge.Resource.Fleet.Server);
        return bridge;
    }

    /// <summary>Limits the resources of each container, unless its tier differs.</summary>
    /// <param name="bridge">The bridge.</param>
    /// <param name="limits">The limits.</param>
    [AspireExport]
    public static IResourceBuilder<IOllamaBridgeResource> WithLimits(this IResourceBuilder<IOllamaBridgeResource> bridge, BridgeLimitOptions limits)
    {
        ArgumentNullException.ThrowIfNull(bridge);
        ArgumentNullException.ThrowIfNull(limits);
        bridge.Resource.Fleet.Limits = limits;
        return bridge;
    }

    /// <summary>Sets the GPUs of the instances. Each instance gets one, in turn.</summary>
    /// <param name="bridge">The bridge.</param>
    /// <param name="vendor">The vendor.</param>
    /// <param name="devices">Device numbers or UUIDs; none for all devices that are found.</param>
    [AspireExport]
    public static IResourceBuilder<IOllamaBridgeResource> WithGpus(
        this IResourceBuilder<IOllamaBridgeResource> bridge, BridgeGpuVendor vendor, params string[] devices)
    {
        ArgumentNullException.ThrowIfNull(bridge);
        ArgumentNullException.ThrowIfNull(devices);
        bridge.Resource.Fleet.Gpus = new BridgeGpuOptions { Vendor = vendor, Devices = devices };
        return bridge;
    }

    /// <summary>Runs several gateways behind one port. They need a shared store (<see cref="WithState"/>).</summary>
    /// <param name="bridge">The bridge.</param>
    /// <param name="replicas">1 to 64.</param>
    /// <exception cref="NotSupportedException">The gateway runs as a .NET tool, which Aspire cannot replicate.</exception>
    [AspireExport]
    public static IResourceBuilder<IOllamaBridgeResource> WithBridgeReplicas(this IResourceBuilder<IOllamaBridgeResource> bridge, int replicas)
    {
        ArgumentNullException.ThrowIfNull(bridge);
        ArgumentOutOfRangeException.ThrowIfLessThan(replicas, 1);
        if (bridge.Resource is not ProjectResource && bridge.ApplicationBuilder.ExecutionContext.IsRunMode && replicas > 1)
            throw new NotSupportedException("Aspire runs several replicas of projects only; the gateway runs as a .NET tool here.");
        bridge.Resource.Fleet.Replicas = replicas;
        return bridge.ApplicationBuilder.ExecutionContext.IsRunMode
            ? bridge.WithAnnotation(new ReplicaAnnotation(replicas), ResourceAnnotationMutationBehavior.Replace).WithProxy(replicas > 1)
            : bridge;
    }

    /// <summary>Lets the containers of instances outlive the application, so that models stay in GPU memory between two runs.</summary>
    /// <param name="bridge">The bridge.</param>
    [AspireExport]
    public static IResourceBuilder<IOllamaBridgeResource> WithPersistentContainers(this IResourceBuilder<IOllamaBridgeResource> bridge)
    {
        ArgumentNullException.ThrowIfNull(bridge);
        bridge.Resource.Fleet.ForEachInstance(BridgeInstanceExtensions.Persist);
        return bridge;
    }

    /// <summary>Describes a tier: a further group of like instances, for example a cold one for large, rare models.</summary>
    /// <remarks>The methods that add instances put them into the tier by its name.</remarks>
    /// <param name="bridge">The bridge.</param>
    /// <param name="name">The tier's name. Its instances are named <c>ollama-NAME-1</c> and so on.</param>
    /// <param name="options">The differences between the tier and the fleet.</param>
    [AspireExport]
    public static IResourceBuilder<IOllamaBridgeResource> WithTier(this IResourceBuilder<IOllamaBridgeResource> bridge, string name, BridgeTierOptions options)
    {
        ArgumentNullException.ThrowIfNull(bridge);
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        ArgumentNullException.ThrowIfNull(options);
        var tier = bridge.Resource.Fleet.Tier(name);
        tier.Options = options;
        bridge.Resource.Fleet.ForEachInstance(instance =>
        {
            if (instance.Tier == tier && tier.Options.ExplicitStart)
                instance.Resource.WithExplicitStart();
        });
        bridge.WithActivation(tier);
        return bridge.WithModels([.. options.Models]);
    }

    /// <summary>Adds models. The first instance pulls each of them once; all instances share the folder.</summary>
    /// <param name="bridge">The bridge.</param>
    /// <param name="models">Names; a name without a tag means <c>:latest</c>.</param>
    [AspireExport]
    public static IResourceBuilder<IOllamaBridgeResource> WithModels(this IResourceBuilder<IOllamaBridgeResource> bridge, params string[] models)
    {
        ArgumentNullException.ThrowIfNull(bridge);
        ArgumentNullException.ThrowIfNull(models);
        foreach (var model in models)
        {
            ArgumentException.ThrowIfNullOrWhiteSpace(model, nameof(models));
            if (bridge.Resource.Fleet.AddModel(model) is { } added)
                bridge.AddPull(added);
        }

        return bridge;
    }

    /// <summary>Gives the bridge the store that its replicas share: Redis or a server with its protocol.</summary>
    /// <param name="bridge">The bridge.</param>
    /// <param name="state">The store. The gateway finds it as connection string <c>state</c>, whatever the resource's name is.</param>
    [AspireExport]
    public static IResourceBuilder<IOllamaBridgeResource> WithState(
        this IResourceBuilder<IOllamaBridgeResource> bridge, IResourceBuilder<IResourceWithConnectionString> state)
    {
        ArgumentNullException.ThrowIfNull(bridge);
        ArgumentNullException.ThrowIfNull(state);
        bridge.Resource.Fleet.UseState(state.Resource);
        return bridge.WithReference(state, connectionName: "state").WaitFor(state);
    }

    /// <summary>Wires a client to the bridge.</summary>
    /// <remarks>
    /// The client receives <c>ConnectionStrings__NAME</c> for Ollama and OllamaSharp clients, <c>ConnectionStrings__NAME-openai</c> for
    /// OpenAI clients, the address for service discovery, and <c>NAME_URI</c>, <c>NAME_KEY</c>, <c>NAME_MODEL</c> for other languages.
    /// </remarks>
    /// <param name="client">The client.</param>
    /// <param name="bridge">The bridge.</param>
    [AspireExport("withBridgeReference", MethodName = "withBridgeReference")]
    public static IResourceBuilder<T> WithReference<T>(this IResourceBuilder<T> client, IResourceBuilder<IOllamaBridgeResource> bridge)
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
}

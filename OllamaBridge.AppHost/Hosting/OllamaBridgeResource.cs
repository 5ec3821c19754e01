namespace OllamaBridge.Hosting;

/// <summary>The bridge: the gateway project, and what it knows of its fleet.</summary>
/// <remarks>
/// For clients it is one Ollama server, hence <see cref="IOllamaResource"/>: what takes the toolkit's Ollama takes the bridge, and its
/// connection string is <c>Endpoint=http://host:port;Model=…</c>.
/// </remarks>
public sealed class OllamaBridgeResource : ProjectResource, IOllamaResource
{
    internal const string HttpEndpoint = "http";
    private readonly List<string> _models = [];

    internal OllamaBridgeResource(string name, IHostProbe host)
        : base(name)
    {
        Host = host;
        PrimaryEndpoint = new EndpointReference(this, HttpEndpoint);
        DefaultTier = new InstanceTier(this, "ollama");
        Tiers.Add(DefaultTier);
    }

    /// <summary>The models of the fleet, with their tags; the first is the default of clients.</summary>
    public IReadOnlyList<string> Models => _models;

    /// <inheritdoc/>
    public EndpointReference PrimaryEndpoint { get; }

    /// <summary>Ollama's and OllamaSharp's connection string.</summary>
    public ReferenceExpression ConnectionStringExpression => _models.Count == 0
        ? ReferenceExpression.Create($"Endpoint={UriExpression}")
        : ReferenceExpression.Create($"Endpoint={UriExpression};Model={_models[0]}");

    /// <summary>The connection string of OpenAI clients (<c>Aspire.OpenAI</c>): the base address ends in <c>/v1</c>.</summary>
    /// <remarks>Those clients insist on a key; without keys configured the bridge looks at none.</remarks>
    public ReferenceExpression OpenAIConnectionStringExpression => _models.Count == 0
        ? ReferenceExpression.Create($"Endpoint={UriExpression}/v1;Key=none")
        : ReferenceExpression.Create($"Endpoint={UriExpression}/v1;Key=none;Model={_models[0]}");

    /// <inheritdoc/>
    public ReferenceExpression UriExpression =>
        ReferenceExpression.Create($"{PrimaryEndpoint.Property(EndpointProperty.Scheme)}://{((IOllamaResource)this).Host}:{Port}");

    /// <inheritdoc/>
    EndpointReferenceExpression IOllamaResource.Host => PrimaryEndpoint.Property(EndpointProperty.Host);

    /// <inheritdoc/>
    public EndpointReferenceExpression Port => PrimaryEndpoint.Property(EndpointProperty.Port);

    internal IHostProbe Host { get; }

    internal Choice<FleetBackend>? Backend { get; set; }

    internal FleetBackend WantedBackend { get; set; }

    internal IReadOnlyList<string> Urls { get; set; } = [];

    internal ServerSettings Server { get; set; } = new() { Parallel = 4 };

    internal LimitSettings Limits { get; set; } = new();

    internal GpuSettings Gpus { get; set; } = new();

    /// <summary>The store that bridges share; null while they share none.</summary>
    internal IResource? State { get; set; }

    /// <summary>Where the bridge asks for cold instances; null without a tier that it starts.</summary>
    internal TierListener? Listener { get; set; }

    internal InstanceTier DefaultTier { get; }

    internal List<InstanceTier> Tiers { get; } = [];

    /// <summary>Every instance, in the order of its making. The first one pulls the models.</summary>
    internal List<BridgeInstance> Instances { get; } = [];

    internal List<IResourceBuilder<OllamaModelResource>> Downloads { get; } = [];

    /// <inheritdoc/>
    public void AddModel(string modelName)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(modelName);
        var model = Names.WithTag(modelName);
        if (!_models.Contains(model, StringComparer.OrdinalIgnoreCase))
            _models.Add(model);
    }

    /// <inheritdoc/>
    IEnumerable<KeyValuePair<string, ReferenceExpression>> IResourceWithConnectionString.GetConnectionProperties()
    {
        yield return new("Host", ReferenceExpression.Create($"{((IOllamaResource)this).Host}"));
        yield return new("Port", ReferenceExpression.Create($"{Port}"));
        yield return new("Uri", UriExpression);
        if (_models.Count > 0)
            yield return new("Model", ReferenceExpression.Create($"{_models[0]}"));
    }
}

/// <summary>A group of like instances. On a platform that replicates it is one resource.</summary>
/// <param name="bridge">Whose.</param>
/// <param name="name">Its name, and what its instances' names begin with.</param>
internal sealed class InstanceTier(OllamaBridgeResource bridge, string name)
{
    public string Name { get; } = name;

    /// <summary>The name that it was added under; null for the first.</summary>
    public string? Key { get; init; }

    /// <summary>How many instances it has, also where they are one resource that a platform replicates.</summary>
    public int Count { get; set; }

    /// <summary>The tier's own differences; the rest is the fleet's.</summary>
    public TierSettings Settings { get; set; } = new();

    /// <summary>How its servers are set up. Asked when they start, so that the order of the builder's calls does not matter.</summary>
    public ServerSettings Server => Settings.Server.Or(bridge.Server);

    /// <summary>The models that it is for, with their tags.</summary>
    public IEnumerable<string> OwnModels => Names.Split(Settings.Models).Select(Names.WithTag);

    /// <summary>Whether the bridge starts its instances. Without models of its own nothing could ask for it: somebody starts it by hand.</summary>
    public bool StartsOnDemand => Key is not null && Settings.ExplicitStart && Count > 0 && OwnModels.Any();

    public LimitSettings Limits => Settings.Limits ?? bridge.Limits;

    public GpuSettings Gpus => Settings.Gpus ?? bridge.Gpus;
}

/// <summary>One instance in the application's model.</summary>
/// <param name="Name">Its name, for Aspire and for the bridge.</param>
/// <param name="Tier">Its group.</param>
/// <param name="Resource">What runs.</param>
/// <param name="Endpoint">Where it listens; null for an external service, which the bridge reaches under <paramref name="Url"/>.</param>
/// <param name="Url">What the bridge is told: a service-discovery name, or an address.</param>
/// <param name="Replicated">Whether the platform makes several of it behind one name.</param>
internal sealed record BridgeInstance(
    string Name, InstanceTier Tier, IResourceBuilder<IResource> Resource, EndpointReference? Endpoint, string Url, bool Replicated = false);

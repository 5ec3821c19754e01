using System.Globalization;
using Aspire.Hosting;
using Aspire.Hosting.ApplicationModel;

namespace OllamaBridge.Hosting;

/// <summary>The fleet of one bridge, as the builder methods describe it. Everything is read when the application starts, so their order does not
/// matter.</summary>
internal sealed class BridgeModel
{
    private readonly List<string> _models = [];
    private readonly List<BridgeInstance> _instances = [];
    private readonly List<Action<BridgeInstance>> _instanceActions = [];
    private readonly List<Action<IResource>> _stateActions = [];

    public BridgeModel(IResourceWithEndpoints bridge, IHostProbe host)
    {
        Name = bridge.Name;
        Host = host;
        PrimaryEndpoint = new EndpointReference(bridge, HttpEndpoint);
        AdminEndpoint = new EndpointReference(bridge, AdminEndpointName);
        DefaultTier = new InstanceTier(this, DefaultTierName);
        Tiers.Add(DefaultTier);
    }

    /// <summary>The name of the bridge's endpoint, and of each instance's.</summary>
    public const string HttpEndpoint = "http";

    /// <summary>The name of the bridge's endpoint for operators.</summary>
    public const string AdminEndpointName = "admin";

    private const string DefaultTierName = "ollama";

    public string Name { get; }

    /// <summary>The endpoint that clients use.</summary>
    public EndpointReference PrimaryEndpoint { get; }

    /// <summary>The endpoint of the fleet page, the admin API and the metrics.</summary>
    public EndpointReference AdminEndpoint { get; }

    public IReadOnlyList<string> Models => _models;

    public BridgeServerOptions Server { get; set; } = new() { Parallel = 4 };

    public BridgeLimitOptions Limits { get; set; } = new();

    public BridgeGpuOptions Gpus { get; set; } = new();

    /// <summary>The number of gateways.</summary>
    public int Replicas { get; set; } = 1;

    /// <summary>The machine that the application runs on.</summary>
    public IHostProbe Host { get; }

    /// <summary>The store that bridges share; null if there is none.</summary>
    public IResource? State { get; private set; }

    /// <summary>The listener for requests to start cold instances; null if no tier starts on demand.</summary>
    public TierListener? Listener { get; set; }

    /// <summary>The key that clients wired to the bridge receive; null if the bridge requires none.</summary>
    public ParameterResource? ClientKey { get; set; }

    /// <summary>The key of the dashboard commands; null while the bridge has no keys.</summary>
    public ParameterResource? OperatorKey { get; set; }

    /// <summary>Tenants in the order of their declaration.</summary>
    public List<BridgeTenant> Tenants { get; } = [];

    /// <summary>Whether a published bridge may run without keys.</summary>
    public bool AllowAnonymous { get; set; }

    public InstanceTier DefaultTier { get; }

    public List<InstanceTier> Tiers { get; } = [];

    /// <summary>Every instance, in the order of creation. The first one pulls the models.</summary>
    public IReadOnlyList<BridgeInstance> Instances => _instances;

    /// <summary>The pulls of the fleet's models.</summary>
    public List<IResourceBuilder<OllamaModelPullResource>> Pulls { get; } = [];

    public void Add(BridgeInstance instance)
    {
        _instances.Add(instance);
        _instanceActions.ForEach(action => action(instance));
    }

    /// <summary>Runs an action for every instance, also for those that are added later.</summary>
    public void ForEachInstance(Action<BridgeInstance> action)
    {
        _instanceActions.Add(action);
        _instances.ForEach(action);
    }

    public void UseState(IResource state)
    {
        State = state;
        _stateActions.ForEach(action => action(state));
    }

    /// <summary>Runs an action for the store, now or once it is set.</summary>
    public void ForState(Action<IResource> action)
    {
        _stateActions.Add(action);
        if (State is { } state)
            action(state);
    }

    /// <summary>Adds a model.</summary>
    /// <returns>The name with its tag; null if the fleet has the model already.</returns>
    public string? AddModel(string modelName)
    {
        var model = Names.WithTag(modelName);
        if (_models.Contains(model, StringComparer.OrdinalIgnoreCase))
            return null;
        _models.Add(model);
        return model;
    }

    /// <summary>A tier by its key; a new one if there is none.</summary>
    /// <param name="key">The tier's key; null for the default tier.</param>
    public InstanceTier Tier(string? key)
    {
        if (key is null)
            return DefaultTier;
        var name = $"{DefaultTierName}-{key}";
        if (Tiers.Find(t => t.Name == name) is { } existing)
            return existing;
        var tier = new InstanceTier(this, name) { Key = key };
        Tiers.Add(tier);
        return tier;
    }

    /// <summary>A connection string with the key and the default model, as far as there are any.</summary>
    public ReferenceExpression ConnectionString(ReferenceExpression.ExpressionInterpolatedStringHandler endpoint, bool requireKey)
    {
        var text = new ReferenceExpressionBuilder();
        text.Append($"Endpoint={ReferenceExpression.Create(endpoint)}");
        if (ClientKey is { } key)
            text.Append($";Key={key}");
        else if (requireKey)
            text.AppendLiteral(";Key=none");
        if (_models.Count > 0)
            text.AppendLiteral($";Model={_models[0]}");
        return text.Build();
    }
}

/// <summary>A tenant of the bridge.</summary>
/// <param name="Name">The tenant's name.</param>
/// <param name="Key">Its key.</param>
/// <param name="Options">Its scopes, models and limits.</param>
internal sealed record BridgeTenant(string Name, ParameterResource Key, BridgeTenantOptions Options);

/// <summary>A group of like instances that scales together. A platform that replicates runs it as one resource.</summary>
/// <param name="bridge">The bridge's fleet.</param>
/// <param name="name">The tier's name, and the prefix of its instances' names.</param>
internal sealed class InstanceTier(BridgeModel bridge, string name)
{
    public string Name { get; } = name;

    /// <summary>The key that <c>WithTier</c> uses; null for the default tier.</summary>
    public string? Key { get; init; }

    /// <summary>The number of instances, even if a platform replicates one resource.</summary>
    public int Count { get; set; }

    /// <summary>The differences from the fleet's settings.</summary>
    public BridgeTierOptions Options { get; set; } = new();

    public BridgeServerOptions Server => Options.Server.Or(bridge.Server);

    /// <summary>The models that the tier serves, with their tags.</summary>
    public IEnumerable<string> OwnModels => Options.Models.Select(Names.WithTag);

    /// <summary>Whether the bridge starts the instances. Without its own models, no request could need the tier.</summary>
    public bool StartsOnDemand => Key is not null && Options.ExplicitStart && Count > 0 && OwnModels.Any();

    public BridgeLimitOptions Limits => Options.Limits ?? bridge.Limits;

    public BridgeGpuOptions Gpus => Options.Gpus ?? bridge.Gpus;

    public string InstanceName(int index) => string.Create(CultureInfo.InvariantCulture, $"{Name}-{index + 1}");
}

/// <summary>One instance in the application model.</summary>
/// <param name="Name">Its name, for Aspire and for the bridge.</param>
/// <param name="Tier">Its tier.</param>
/// <param name="Resource">The resource that runs.</param>
/// <param name="Endpoint">Its endpoint; null for an external server, which the bridge reaches at <paramref name="Url"/>.</param>
/// <param name="Url">The address for the bridge: a service-discovery name or a URL.</param>
/// <param name="Replicated">Whether the platform runs several servers behind one name.</param>
internal sealed record BridgeInstance(
    string Name, InstanceTier Tier, IResourceBuilder<IResource> Resource, EndpointReference? Endpoint, string Url, bool Replicated = false);

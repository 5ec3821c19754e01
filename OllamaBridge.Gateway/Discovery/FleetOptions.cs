using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Discovery;

/// <summary>The fleet's instances: section <c>Bridge</c>.</summary>
internal sealed record FleetOptions
{
    public const string Section = "Bridge";

    /// <summary>The simplest way to list instances: addresses, separated by commas.</summary>
    public string? Urls { get; init; }

    /// <summary>Slots of each instance without its own setting. Ollama's default for <c>OLLAMA_NUM_PARALLEL</c> is 1.</summary>
    [Range(1, 1024)]
    public int Slots { get; init; } = 1;

    /// <summary>Time between two DNS lookups of entries with <c>Discovery: Dns</c> or <c>Srv</c>.</summary>
    [Range(typeof(TimeSpan), "00:00:00.100", "01:00:00")]
    public TimeSpan DiscoveryInterval { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>The instances.</summary>
    public IList<InstanceOptions> Instances { get; init; } = [];
}

/// <summary>One instance: section <c>Bridge:Instances:N</c>.</summary>
internal sealed record InstanceOptions
{
    /// <summary>Base address, for example <c>http://10.0.0.5:11434</c>, or a service-discovery name such as <c>http://ollama-1</c>.</summary>
    public string? Url { get; init; }

    /// <summary>The instance's name; null derives it from the address.</summary>
    public string? Name { get; init; }

    /// <summary>Parallel requests: the server's <c>OLLAMA_NUM_PARALLEL</c>.</summary>
    public int? Slots { get; init; }

    /// <summary>Models that fit in memory: the server's <c>OLLAMA_MAX_LOADED_MODELS</c>. With 0 the bridge derives it from observation.</summary>
    public int MaxLoadedModels { get; init; }

    /// <summary>
    /// How servers are discovered. Unless <see cref="InstanceDiscovery.None"/>, the entry is a group: each server behind its host is an instance.
    /// </summary>
    public InstanceDiscovery Discovery { get; init; }

    /// <summary>With <see cref="InstanceDiscovery.Srv"/> or <see cref="InstanceDiscovery.Kubernetes"/>: the name of the servers' port in the Service.</summary>
    public string? PortName { get; init; }

    /// <summary>The server's API. The bridge sends to an <see cref="InstanceKind.OpenAI"/> server only requests of OpenAI's API.</summary>
    public InstanceKind Kind { get; init; }

    /// <summary>OpenAI servers: the models' ids, if the bridge should not read them from the server.</summary>
    public IList<string> Models { get; init; } = [];

    /// <summary>OpenAI servers: the routes besides chat, completions and embeddings, separated by commas.</summary>
    public ApiRoutes Routes { get; init; }

    /// <summary>OpenAI servers: the path of the health route.</summary>
    public string? HealthPath { get; init; }

    /// <summary>The key that the bridge sends to this server, and only to this server.</summary>
    public string? ApiKey { get; init; }

    /// <summary>TLS to the server, if its address has https.</summary>
    public InstanceTlsOptions Tls { get; init; } = new();
}

[OptionsValidator]
internal sealed partial class FleetOptionsValidator : IValidateOptions<FleetOptions>;

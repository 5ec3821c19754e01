using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Fleet;

/// <summary>Which instances there are: section <c>Bridge</c>.</summary>
internal sealed record FleetOptions
{
    public const string Section = "Bridge";

    /// <summary>The simplest way: addresses, separated by commas.</summary>
    public string? Urls { get; init; }

    /// <summary>Slots of every instance that does not say its own. Ollama's own default for <c>OLLAMA_NUM_PARALLEL</c> is 1.</summary>
    [Range(1, 1024)]
    public int Slots { get; init; } = 1;

    /// <summary>Time between two looks into DNS for entries with <c>Discovery: Dns</c> or <c>Srv</c>.</summary>
    [Range(typeof(TimeSpan), "00:00:00.100", "01:00:00")]
    public TimeSpan DiscoveryInterval { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>The instances, one by one.</summary>
    public IList<InstanceOptions> Instances { get; init; } = [];
}

/// <summary>How many servers an entry stands for.</summary>
internal enum InstanceDiscovery
{
    /// <summary>One, whatever addresses its name has.</summary>
    None,

    /// <summary>One for each address of its host's name in DNS, looked up again and again.</summary>
    Dns,

    /// <summary>One for each server that DNS names as its host's service, looked up again and again.</summary>
    Srv,

    /// <summary>One for each endpoint of a Kubernetes Service, told by its API as they change.</summary>
    Kubernetes,
}

/// <summary>One instance: section <c>Bridge:Instances:N</c>.</summary>
internal sealed record InstanceOptions
{
    /// <summary>Base address, for example <c>http://10.0.0.5:11434</c>, or a service-discovery name such as <c>http://ollama-1</c>.</summary>
    public string? Url { get; init; }

    /// <summary>What operators call it; derived from the address when absent.</summary>
    public string? Name { get; init; }

    /// <summary>Parallel requests: the server's <c>OLLAMA_NUM_PARALLEL</c>.</summary>
    public int? Slots { get; init; }

    /// <summary>Models that fit in memory: the server's <c>OLLAMA_MAX_LOADED_MODELS</c>; 0 lets the bridge observe it.</summary>
    public int MaxLoadedModels { get; init; }

    /// <summary>Unless <see cref="InstanceDiscovery.None"/>, the entry stands for a group: each server found behind its host is an instance.</summary>
    public InstanceDiscovery Discovery { get; init; }

    /// <summary>With <see cref="InstanceDiscovery.Srv"/> or <see cref="InstanceDiscovery.Kubernetes"/>: what the Service calls the servers' port.</summary>
    public string? PortName { get; init; }

    /// <summary>With <see cref="InstanceKind.OpenAI"/> it is asked nothing but OpenAI's API.</summary>
    public InstanceKind Kind { get; init; }

    /// <summary>Of an OpenAI server: its models' ids, where it is not to be asked for them.</summary>
    public IList<string> Models { get; init; } = [];

    /// <summary>Of an OpenAI server: what it has beside chat, completions and embeddings, separated by commas.</summary>
    public ApiRoutes Routes { get; init; }

    /// <summary>Of an OpenAI server: the path that tells its health.</summary>
    public string? HealthPath { get; init; }

    /// <summary>A key that the server wants of the bridge; sent to it and to no other.</summary>
    public string? ApiKey { get; init; }

    /// <summary>TLS to the server, if its address has https.</summary>
    public InstanceTlsOptions Tls { get; init; } = new();
}

/// <summary>How instances are watched: section <c>Bridge:Health</c>.</summary>
internal sealed record HealthOptions
{
    public const string Section = "Bridge:Health";

    /// <summary>Time between two looks at a healthy instance (<c>/api/version</c>, <c>/api/ps</c>).</summary>
    [Range(typeof(TimeSpan), "00:00:00.020", "00:10:00")]
    public TimeSpan Interval { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>Time between two looks at an instance that is not healthy.</summary>
    [Range(typeof(TimeSpan), "00:00:00.020", "00:10:00")]
    public TimeSpan RecoveryInterval { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Time between two readings of an instance's model list (<c>/api/tags</c>).</summary>
    [Range(typeof(TimeSpan), "00:00:00.020", "01:00:00")]
    public TimeSpan CatalogInterval { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How long one look may take.</summary>
    [Range(typeof(TimeSpan), "00:00:00.010", "00:01:00")]
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(3);

    /// <summary>How long an instance's model list may take; if it takes longer than a look, the instance is watched meanwhile.</summary>
    [Range(typeof(TimeSpan), "00:00:00.010", "00:10:00")]
    public TimeSpan CatalogTimeout { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>Looks that must fail in a row before an instance that had answered is called unhealthy; a refused connection counts at once.</summary>
    [Range(1, 100)]
    public int FailuresToEject { get; init; } = 2;

    /// <summary>Failed requests in a row (5xx, reset, time-out) that eject an instance although its health routes answer.</summary>
    [Range(1, 1000)]
    public int RequestFailuresToEject { get; init; } = 5;

    /// <summary>How long an instance ejected for failed requests stays out, at least; doubled for each time in a row.</summary>
    [Range(typeof(TimeSpan), "00:00:00.010", "01:00:00")]
    public TimeSpan EjectionTime { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>The longest ejection.</summary>
    [Range(typeof(TimeSpan), "00:00:00.010", "1.00:00:00")]
    public TimeSpan MaxEjectionTime { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>How long what comes back (an instance, or one model there) gets work only slowly, while others have it; 0 for not at all.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "01:00:00")]
    public TimeSpan SlowStart { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Whether a model that runs on the processor is left alone while another instance has it in the memory of its GPU.</summary>
    public bool QuarantineCpu { get; init; } = true;
}

[OptionsValidator]
internal sealed partial class FleetOptionsValidator : IValidateOptions<FleetOptions>;

[OptionsValidator]
internal sealed partial class HealthOptionsValidator : IValidateOptions<HealthOptions>;

using System.Globalization;

namespace Aspire.Hosting;

/// <summary>Settings of each Ollama server. A null value leaves the choice to Ollama or, in a tier, to the fleet's setting.</summary>
/// <remarks>Names and meanings follow <c>ollama serve --help</c>.</remarks>
public sealed record BridgeServerOptions
{
    /// <summary>Parallel requests of each instance (<c>OLLAMA_NUM_PARALLEL</c>), which are its slots in the bridge. 1 to 1024.</summary>
    public int? Parallel { get; init; }

    /// <summary>How long an unused model stays in memory (<c>OLLAMA_KEEP_ALIVE</c>): <c>10m</c>, <c>1h30m</c>; <c>-1</c> keeps it.</summary>
    public string? KeepAlive { get; init; }

    /// <summary>Models in memory at the same time (<c>OLLAMA_MAX_LOADED_MODELS</c>). 0 lets Ollama decide.</summary>
    public int? MaxLoadedModels { get; init; }

    /// <summary>How long a load may make no progress (<c>OLLAMA_LOAD_TIMEOUT</c>).</summary>
    public string? LoadTimeout { get; init; }

    /// <summary>Context length in tokens (<c>OLLAMA_CONTEXT_LENGTH</c>). 0 lets Ollama decide.</summary>
    public int? ContextLength { get; init; }

    /// <summary>These settings; null values are replaced by the other's values.</summary>
    internal BridgeServerOptions Or(BridgeServerOptions other) => new()
    {
        Parallel = Parallel ?? other.Parallel,
        KeepAlive = KeepAlive ?? other.KeepAlive,
        MaxLoadedModels = MaxLoadedModels ?? other.MaxLoadedModels,
        LoadTimeout = LoadTimeout ?? other.LoadTimeout,
        ContextLength = ContextLength ?? other.ContextLength,
    };

    /// <summary>The environment variables of <c>ollama serve</c>.</summary>
    internal IEnumerable<KeyValuePair<string, string>> ToEnvironment()
    {
        // Instances share one model folder: a server that prunes at its start would delete another server's unfinished download.
        yield return new("OLLAMA_NOPRUNE", "1");
        if (Parallel is { } parallel)
            yield return new("OLLAMA_NUM_PARALLEL", Text(parallel));
        if (KeepAlive is { Length: > 0 } keepAlive)
            yield return new("OLLAMA_KEEP_ALIVE", keepAlive);
        if (MaxLoadedModels is > 0 and { } models)
            yield return new("OLLAMA_MAX_LOADED_MODELS", Text(models));
        if (LoadTimeout is { Length: > 0 } loadTimeout)
            yield return new("OLLAMA_LOAD_TIMEOUT", loadTimeout);
        if (ContextLength is > 0 and { } context)
            yield return new("OLLAMA_CONTEXT_LENGTH", Text(context));
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}

/// <summary>Resource limits of each instance. They apply to containers.</summary>
public sealed record BridgeLimitOptions
{
    /// <summary>Processor cores; null for no limit.</summary>
    public double? Cpus { get; init; }

    /// <summary>Memory, such as <c>16g</c> or <c>512m</c>; null for no limit.</summary>
    public string? Memory { get; init; }
}

/// <summary>The GPUs of the instances. Each instance gets one, in turn.</summary>
public sealed record BridgeGpuOptions
{
    /// <summary>The vendor.</summary>
    public BridgeGpuVendor Vendor { get; init; }

    /// <summary>Device numbers or UUIDs; empty for all devices that are found.</summary>
    public IReadOnlyList<string> Devices { get; init; } = [];
}

/// <summary>A tier: a further group of like instances.</summary>
public sealed record BridgeTierOptions
{
    /// <summary>Models that this tier serves; they are pulled with the others.</summary>
    public IReadOnlyList<string> Models { get; init; } = [];

    /// <summary>Differences from the fleet's server settings.</summary>
    public BridgeServerOptions Server { get; init; } = new();

    /// <summary>Differences from the fleet's limits; null for none.</summary>
    public BridgeLimitOptions? Limits { get; init; }

    /// <summary>Differences from the fleet's GPUs; null for none.</summary>
    public BridgeGpuOptions? Gpus { get; init; }

    /// <summary>Whether the instances start on demand or by hand instead of with the application.</summary>
    public bool ExplicitStart { get; init; }
}

/// <summary>The rights and limits of a tenant. <c>docs/configuration/tenants.md</c> describes each setting.</summary>
public sealed record BridgeTenantOptions
{
    /// <summary><c>Inference</c>, <c>Management</c>, <c>Admin</c>, <c>Drain</c>; empty for <c>Inference</c>.</summary>
    public IReadOnlyList<string> Scopes { get; init; } = [];

    /// <summary>Models that the tenant may use, <c>deepseek-r1:*</c> for a prefix; empty for all.</summary>
    public IReadOnlyList<string> Models { get; init; } = [];

    /// <summary>The tenant's share of a busy model, relative to other tenants; null for 1.</summary>
    public double? Weight { get; init; }

    /// <summary>Tokens per day; null for no limit.</summary>
    public long? TokensPerDay { get; init; }

    /// <summary>Requests at the same time; null for no limit.</summary>
    public int? ConcurrentRequests { get; init; }
}

/// <summary>The store that gateways share.</summary>
public enum BridgeStateBackend
{
    /// <summary>Chosen at start: a container if a container runtime answers, else <c>redis-server</c> on PATH, else the embedded server.</summary>
    Auto,

    /// <summary>The Redis image.</summary>
    Container,

    /// <summary><c>redis-server</c> from PATH.</summary>
    Executable,

    /// <summary>OllamaBridge's state server (Microsoft Garnet), which needs nothing installed.</summary>
    Embedded,
}

/// <summary>The vendor of the GPUs.</summary>
public enum BridgeGpuVendor
{
    /// <summary>Chosen at start from <c>nvidia-smi</c> and <c>/dev/kfd</c>.</summary>
    Auto,

    /// <summary>No GPU.</summary>
    None,

    /// <summary>NVIDIA.</summary>
    Nvidia,

    /// <summary>AMD, through ROCm.</summary>
    Amd,
}

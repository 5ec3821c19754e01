namespace OllamaBridge.Hosting;

/// <summary>How each Ollama server is set up. What is null is left to Ollama, or in a tier to the fleet's own setting.</summary>
/// <remarks>Names and meanings as <c>ollama serve --help</c> lists them.</remarks>
public sealed record ServerSettings
{
    /// <summary>Parallel requests of each instance (<c>OLLAMA_NUM_PARALLEL</c>), which are its slots for the bridge. 1 to 1024.</summary>
    public int? Parallel { get; init; }

    /// <summary>How long an unused model stays in memory (<c>OLLAMA_KEEP_ALIVE</c>): <c>10m</c>, <c>1h30m</c>, <c>-1</c> for ever.</summary>
    public string? KeepAlive { get; init; }

    /// <summary>Models in memory at a time (<c>OLLAMA_MAX_LOADED_MODELS</c>). 0 lets Ollama decide.</summary>
    public int? MaxLoadedModels { get; init; }

    /// <summary>How long loading may make no progress (<c>OLLAMA_LOAD_TIMEOUT</c>).</summary>
    public string? LoadTimeout { get; init; }

    /// <summary>Context length in tokens (<c>OLLAMA_CONTEXT_LENGTH</c>). 0 lets Ollama decide.</summary>
    public int? ContextLength { get; init; }

    /// <summary>This, with the other's values for what is null here.</summary>
    public ServerSettings Or(ServerSettings other)
    {
        ArgumentNullException.ThrowIfNull(other);
        return new ServerSettings
        {
            Parallel = Parallel ?? other.Parallel,
            KeepAlive = KeepAlive ?? other.KeepAlive,
            MaxLoadedModels = MaxLoadedModels ?? other.MaxLoadedModels,
            LoadTimeout = LoadTimeout ?? other.LoadTimeout,
            ContextLength = ContextLength ?? other.ContextLength,
        };
    }

    /// <summary>The environment variables that say so to <c>ollama serve</c>.</summary>
    public IEnumerable<KeyValuePair<string, string>> ToEnvironment()
    {
        // Instances share one model folder: a server that cleans up at its start would remove what another is pulling.
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

    private static string Text(int number) => number.ToString(System.Globalization.CultureInfo.InvariantCulture);
}

/// <summary>What one instance may use of its machine. Applies to containers.</summary>
public sealed record LimitSettings
{
    /// <summary>Processor cores; null for no limit.</summary>
    public double? Cpus { get; init; }

    /// <summary>Memory, as <c>16g</c> or <c>512m</c>; null for no limit.</summary>
    public string? Memory { get; init; }
}

/// <summary>Which GPUs there are for the instances: each gets one, in turn.</summary>
public sealed record GpuSettings
{
    /// <summary>Whose they are.</summary>
    public GpuVendor Vendor { get; init; }

    /// <summary>Numbers or UUIDs, separated by commas; null for all that are found, in their order.</summary>
    public string? Devices { get; init; }

    /// <summary><see cref="Devices"/> one by one.</summary>
    public IReadOnlyList<string> DeviceList => Names.Split(Devices);
}

/// <summary>A group of like instances besides the first.</summary>
public sealed record TierSettings
{
    /// <summary>How many. 1 to 256.</summary>
    public int Instances { get; init; } = 1;

    /// <summary>Models that this tier is for, separated by commas; pulled with the others.</summary>
    public string? Models { get; init; }

    /// <summary>Differences to the fleet's servers.</summary>
    public ServerSettings Server { get; init; } = new();

    /// <summary>Differences to the fleet's limits; null for the same.</summary>
    public LimitSettings? Limits { get; init; }

    /// <summary>Differences to the fleet's GPUs; null for the same.</summary>
    public GpuSettings? Gpus { get; init; }

    /// <summary>Whether somebody starts its instances by hand (or on demand) instead of with the application.</summary>
    public bool ExplicitStart { get; init; }
}

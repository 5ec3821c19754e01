namespace OllamaBridge.Simulator;

/// <summary>The options of one simulated server. Defaults are Ollama's if it has one; times are those of a small GPU.</summary>
public sealed record SimulatorOptions
{
    /// <summary>Options without any delays, for tests and for measuring the software in front of the server.</summary>
    public static SimulatorOptions Instant { get; } = new()
    {
        LoadTime = TimeSpan.Zero,
        PrefillPerToken = TimeSpan.Zero,
        DecodePerToken = TimeSpan.Zero,
        PullBytesPerSecond = 0,
    };

    /// <summary>The server's API.</summary>
    public SimulatorKind Kind { get; init; }

    /// <summary>The models of a server of <see cref="SimulatorKind.OpenAI"/>; names are ids and must match exactly.</summary>
    public IReadOnlyList<SimulatedModel> Served { get; init; } = [];

    /// <summary>The key that a server of <see cref="SimulatorKind.OpenAI"/> requires on <c>/v1</c>; null for none.</summary>
    public string? ApiKey { get; init; }

    /// <summary>The name of the server on the side channel; null for the port.</summary>
    public string? Name { get; init; }

    /// <summary>Address to listen on. On a loopback address Host and Origin are checked, as Ollama does.</summary>
    public global::System.Net.IPAddress Address { get; init; } = global::System.Net.IPAddress.Loopback;

    /// <summary>Port; 0 selects a free one.</summary>
    public int Port { get; init; }

    /// <summary>Parallel generations of one loaded model (OLLAMA_NUM_PARALLEL).</summary>
    public int ParallelSlots { get; init; } = 1;

    /// <summary>The maximum number of models in memory (OLLAMA_MAX_LOADED_MODELS).</summary>
    public int MaxLoadedModels { get; init; } = 1;

    /// <summary>Bytes of memory for models; null means that only <see cref="MaxLoadedModels"/> is a limit.</summary>
    public long? MemoryBytes { get; init; }

    /// <summary>Whether loaded models are reported as in GPU memory (size_vram).</summary>
    public bool OnGpu { get; init; } = true;

    /// <summary>The maximum number of requests that wait for a load; further ones get 503 (OLLAMA_MAX_QUEUE).</summary>
    public int MaxQueue { get; init; } = 512;

    /// <summary>Time to load a model without a time of its own.</summary>
    public TimeSpan LoadTime { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>Time to evaluate one token of a prompt.</summary>
    public TimeSpan PrefillPerToken { get; init; } = TimeSpan.FromMilliseconds(0.2);

    /// <summary>Time to generate one token.</summary>
    public TimeSpan DecodePerToken { get; init; } = TimeSpan.FromMilliseconds(15);

    /// <summary>How long an idle model stays in memory (OLLAMA_KEEP_ALIVE); negative means for ever.</summary>
    public TimeSpan KeepAlive { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>Context of a request that does not set num_ctx (OLLAMA_CONTEXT_LENGTH), in tokens.</summary>
    public int ContextLength { get; init; } = 4096;

    /// <summary>The model folder; null creates one with a few well-known models.</summary>
    public ModelStore? Store { get; init; }

    /// <summary>Models that can be pulled.</summary>
    public IReadOnlyList<SimulatedModel> RemoteModels { get; init; } = [];

    /// <summary>Speed of a pull in bytes per second; 0 means at once.</summary>
    public long PullBytesPerSecond { get; init; } = 50_000_000;

    /// <summary>The path of the model folder in errors and modelfiles.</summary>
    public string ModelFolder { get; init; } = "/root/.ollama/models";

    /// <summary>The clock of all modelled times.</summary>
    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;

    /// <summary>Whether it has <c>/v1/messages/count_tokens</c>, which Ollama itself lacks.</summary>
    public bool CountsTokens { get; init; } = true;

    /// <summary>
    /// Whether <c>/api/ps</c> waits while a model is being loaded or a frozen runner is pinged, as Ollama does since July 2026
    /// (<c>loadedModels</c> in <c>server/sched.go</c> waits for each runner's lock).
    /// </summary>
    public bool HoldsRunningList { get; init; }

    /// <summary>The version in /api/version.</summary>
    public string Version { get; init; } = "0.32.15";

    /// <summary>Counts the concurrent requests of several servers; null for none.</summary>
    public SharedConcurrency? Together { get; init; }

    /// <summary>The number of requests that <see cref="SimulatorStatistics.Seen"/> keeps; 0 keeps none.</summary>
    public int SeenCapacity { get; init; } = 256;
}

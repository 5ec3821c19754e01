namespace OllamaBridge.Simulator;

/// <summary>How one simulated server behaves. Defaults are Ollama's where it has one; times are those of a small GPU.</summary>
public sealed record SimulatorOptions
{
    /// <summary>Everything takes no time: for tests and for measuring what stands before the server.</summary>
    public static SimulatorOptions Instant { get; } = new()
    {
        LoadTime = TimeSpan.Zero,
        PrefillPerToken = TimeSpan.Zero,
        DecodePerToken = TimeSpan.Zero,
        PullBytesPerSecond = 0,
    };

    /// <summary>What it speaks.</summary>
    public SimulatorKind Kind { get; init; }

    /// <summary>What a server of <see cref="SimulatorKind.OpenAI"/> serves; names are ids, and count to the letter.</summary>
    public IReadOnlyList<SimulatedModel> Served { get; init; } = [];

    /// <summary>The key that a server of <see cref="SimulatorKind.OpenAI"/> wants on <c>/v1</c>; null for none.</summary>
    public string? ApiKey { get; init; }

    /// <summary>Name of the server on the side channel; the port where left out.</summary>
    public string? Name { get; init; }

    /// <summary>Address to listen on. On a loopback address Host and Origin are checked, as Ollama does.</summary>
    public global::System.Net.IPAddress Address { get; init; } = global::System.Net.IPAddress.Loopback;

    /// <summary>Port; 0 takes a free one.</summary>
    public int Port { get; init; }

    /// <summary>Generations that one loaded model runs at once (OLLAMA_NUM_PARALLEL).</summary>
    public int ParallelSlots { get; init; } = 1;

    /// <summary>Models in memory at once (OLLAMA_MAX_LOADED_MODELS).</summary>
    public int MaxLoadedModels { get; init; } = 1;

    /// <summary>Bytes of memory for models; null means that only <see cref="MaxLoadedModels"/> limits.</summary>
    public long? MemoryBytes { get; init; }

    /// <summary>Whether loaded models count as being in GPU memory (size_vram).</summary>
    public bool OnGpu { get; init; } = true;

    /// <summary>Requests that may wait for a model to be loaded before 503 comes (OLLAMA_MAX_QUEUE).</summary>
    public int MaxQueue { get; init; } = 512;

    /// <summary>Time to load a model that does not say its own.</summary>
    public TimeSpan LoadTime { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>Time to evaluate one token of a prompt.</summary>
    public TimeSpan PrefillPerToken { get; init; } = TimeSpan.FromMilliseconds(0.2);

    /// <summary>Time to generate one token.</summary>
    public TimeSpan DecodePerToken { get; init; } = TimeSpan.FromMilliseconds(15);

    /// <summary>How long an idle model stays in memory (OLLAMA_KEEP_ALIVE); negative means for ever.</summary>
    public TimeSpan KeepAlive { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>Context of a request that does not set num_ctx (OLLAMA_CONTEXT_LENGTH), in tokens.</summary>
    public int ContextLength { get; init; } = 4096;

    /// <summary>The model folder; null makes one with a few well-known models.</summary>
    public ModelStore? Store { get; init; }

    /// <summary>Models that can be pulled.</summary>
    public IReadOnlyList<SimulatedModel> RemoteModels { get; init; } = [];

    /// <summary>Speed of a pull in bytes per second; 0 means at once.</summary>
    public long PullBytesPerSecond { get; init; } = 50_000_000;

    /// <summary>Where errors and modelfiles say that the models lie.</summary>
    public string ModelFolder { get; init; } = "/root/.ollama/models";

    /// <summary>The clock for everything that takes time.</summary>
    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;

    /// <summary>Whether it answers <c>/v1/messages/count_tokens</c>, which Ollama itself does not have.</summary>
    public bool CountsTokens { get; init; } = true;

    /// <summary>
    /// Whether <c>/api/ps</c> waits while a model is being loaded or a frozen runner is pinged, as Ollama does since July 2026
    /// (<c>loadedModels</c> in <c>server/sched.go</c> waits for each runner's lock).
    /// </summary>
    public bool HoldsRunningList { get; init; }

    /// <summary>What /api/version tells.</summary>
    public string Version { get; init; } = "0.32.15";

    /// <summary>Counts what several servers have at once; null where nobody wants to know.</summary>
    public SharedConcurrency? Together { get; init; }

    /// <summary>How many requests <see cref="SimulatorStatistics.Seen"/> remembers; 0 remembers none.</summary>
    public int SeenCapacity { get; init; } = 256;
}

namespace OllamaBridge.Benchmarks.EndToEnd;

/// <summary>How much is measured. Targets are the issue's own.</summary>
internal sealed record GatewayPlan
{
    /// <summary>Requests per second of the gateway over those of bare YARP, at least.</summary>
    public const double MinThroughputRatio = 0.75;

    /// <summary>Median latency that the gateway adds, in ms, at most.</summary>
    public const double MaxAddedLatency = 0.3;

    /// <summary>Processor time for each streamed chunk over that of bare YARP, at most.</summary>
    public const double MaxChunkCpuRatio = 1.5;

    /// <summary>Memory with all streams open, in MiB, at most.</summary>
    public const double MaxOpenMemory = 250;

    /// <summary>Requests per second with continuation over those without, at least.</summary>
    public const double MinContinuationThroughputRatio = 0.9;

    /// <summary>Processor time for each streamed chunk with continuation over that without, at most.</summary>
    public const double MaxContinuationChunkCpuRatio = 1.1;

    /// <summary>Requests per second with keys, limits and shared state over those without, at least.</summary>
    public const double MinTenantsThroughputRatio = 0.85;

    /// <summary>Requests per second with metrics and traces exported over those with all of it off, at least.</summary>
    public const double MinTelemetryThroughputRatio = 0.9;

    /// <summary>Streams open at once.</summary>
    public const int OpenStreams = 2000;

    /// <summary>Clients in the closed loop.</summary>
    public const int Clients = 16;

    /// <summary>Tokens of a small answer.</summary>
    public const int SmallAnswer = 8;

    /// <summary>Streams at once where processor time is measured.</summary>
    public const int Streams = 64;

    /// <summary>Rounds in which the targets take turns.</summary>
    public int Rounds { get; init; } = 9;

    /// <summary>Processes of each of two settings of the gateway that are compared: they differ by little.</summary>
    public int PairProcesses { get; init; } = 3;

    /// <summary>Rounds in which two processes take turns in the closed loop.</summary>
    public int PairRounds { get; init; } = 20;

    /// <summary>How long each of them lasts: short, for a machine's other tenants to be the same for both.</summary>
    public TimeSpan PairRound { get; init; } = TimeSpan.FromSeconds(0.5);

    /// <summary>How long each process runs in: code that is met only now and then takes half a minute to be compiled for good.</summary>
    public TimeSpan PairWarmUp { get; init; } = TimeSpan.FromSeconds(28);

    /// <summary>Rounds of streams for each pair of processes.</summary>
    public int PairChunkRounds { get; init; } = 3;

    /// <summary>How long each target runs in before anything counts: tiered compilation has several steps.</summary>
    public TimeSpan WarmUp { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>How long one round of the closed loop lasts.</summary>
    public TimeSpan Round { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>Requests in one round of the latency measurement.</summary>
    public int LatencyRequests { get; init; } = 1500;

    /// <summary>Tokens of each stream where processor time is measured: 10 ms each.</summary>
    public int StreamTokens { get; init; } = 400;

    /// <summary>Tokens of each open stream: half a second each.</summary>
    public int OpenStreamTokens { get; init; } = 40;

    /// <summary>Just enough to see that it works.</summary>
    public static GatewayPlan Quick { get; } = new()
    {
        Rounds = 3,
        PairProcesses = 2,
        PairRounds = 8,
        PairWarmUp = TimeSpan.FromSeconds(12),
        PairChunkRounds = 2,
        WarmUp = TimeSpan.FromSeconds(10),
        Round = TimeSpan.FromSeconds(1),
        LatencyRequests = 500,
        StreamTokens = 200,
        OpenStreamTokens = 24,
    };
}

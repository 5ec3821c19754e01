namespace OllamaBridge.Benchmarks.EndToEnd;

/// <summary>The amount of measurement, and the performance targets.</summary>
internal sealed record GatewayPlan
{
    /// <summary>The minimum ratio of the gateway's requests per second to those of bare YARP.</summary>
    public const double MinThroughputRatio = 0.75;

    /// <summary>The maximum median latency that the gateway adds, in ms.</summary>
    public const double MaxAddedLatency = 0.3;

    /// <summary>The maximum ratio of the gateway's processor time per streamed chunk to that of bare YARP.</summary>
    public const double MaxChunkCpuRatio = 1.5;

    /// <summary>The maximum memory with all streams open, in MiB.</summary>
    public const double MaxOpenMemory = 250;

    /// <summary>The minimum ratio of requests per second with resumption to those without.</summary>
    public const double MinContinuationThroughputRatio = 0.9;

    /// <summary>The maximum ratio of processor time per streamed chunk with resumption to that without.</summary>
    public const double MaxContinuationChunkCpuRatio = 1.1;

    /// <summary>The minimum ratio of requests per second with keys, limits and shared state to those without.</summary>
    public const double MinTenantsThroughputRatio = 0.85;

    /// <summary>The minimum ratio of requests per second with exported metrics and traces to those without telemetry.</summary>
    public const double MinTelemetryThroughputRatio = 0.9;

    /// <summary>The minimum ratio of requests per second of this build to those of another one: the noise of one measurement.</summary>
    public const double MinBuildThroughputRatio = 0.95;

    /// <summary>The maximum ratio of the processor time per chunk of this build to that of another one: the noise of one measurement.</summary>
    public const double MaxBuildChunkCpuRatio = 1.05;

    /// <summary>Simultaneous streams in the memory measurement.</summary>
    public const int OpenStreams = 2000;

    /// <summary>Clients in the closed loop.</summary>
    public const int Clients = 16;

    /// <summary>Tokens of a small response.</summary>
    public const int SmallAnswer = 8;

    /// <summary>Simultaneous streams in the measurement of processor time.</summary>
    public const int Streams = 64;

    /// <summary>Rounds in which the targets take turns.</summary>
    public int Rounds { get; init; } = 9;

    /// <summary>The number of processes for each of two compared settings of the gateway. Their difference is small, so one process is not enough.</summary>
    public int PairProcesses { get; init; } = 3;

    /// <summary>Rounds in which two processes take turns in the closed loop.</summary>
    public int PairRounds { get; init; } = 20;

    /// <summary>The duration of one of these rounds. It is short so that other load on the machine affects both processes equally.</summary>
    public TimeSpan PairRound { get; init; } = TimeSpan.FromSeconds(0.5);

    /// <summary>The warm-up time of each process. Rarely executed code takes half a minute to reach the final compilation tier.</summary>
    public TimeSpan PairWarmUp { get; init; } = TimeSpan.FromSeconds(28);

    /// <summary>Rounds of streams for each pair of processes.</summary>
    public int PairChunkRounds { get; init; } = 3;

    /// <summary>The warm-up time of each target: tiered compilation has several steps.</summary>
    public TimeSpan WarmUp { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>The duration of one round of the closed loop.</summary>
    public TimeSpan Round { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>Requests in one round of the latency measurement.</summary>
    public int LatencyRequests { get; init; } = 1500;

    /// <summary>Tokens of each stream in the measurement of processor time, 10 ms each.</summary>
    public int StreamTokens { get; init; } = 400;

    /// <summary>Tokens of each open stream, 500 ms each.</summary>
    public int OpenStreamTokens { get; init; } = 40;

    /// <summary>The smallest amount that exercises every measurement.</summary>
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

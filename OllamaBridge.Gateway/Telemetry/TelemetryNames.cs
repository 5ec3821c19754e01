using System.Collections.Immutable;

namespace OllamaBridge.Gateway.Telemetry;

/// <summary>All names of exported metrics, spans and labels; <c>gen_ai.*</c> as in OpenTelemetry's semantic conventions for generative AI.</summary>
internal static class TelemetryNames
{
    public const string Meter = "OllamaBridge.Gateway";
    public const string ActivitySource = "OllamaBridge.Gateway";

    public const string AuditCategory = "OllamaBridge.Audit";

    public const string QueueSpan = "queue";
    public const string DecideSpan = "decide";
    public const string FirstTokenEvent = "first_token";
    public const string ScoresEvent = "scores";
    public const string InterruptionEvent = "interruption";
    public const string ActivationEvent = "bridge.activation";

    public const string Requests = "ollama.requests";
    public const string Latency = "ollama.latency";
    public const string InFlight = "ollama.requests.in_flight";
    public const string Tokens = "ollama.tokens";
    public const string TimeToFirstToken = "gen_ai.server.time_to_first_token";
    public const string TimePerOutputToken = "gen_ai.server.time_per_output_token";
    public const string TokenUsage = "gen_ai.client.token.usage";
    public const string OperationDuration = "gen_ai.client.operation.duration";
    public const string Faults = "ollama.faults";
    public const string Retries = "ollama.retries";
    public const string Fallbacks = "ollama.fallbacks";
    public const string Continuations = "ollama.continuations";
    public const string Hedges = "ollama.hedges";
    public const string Spillovers = "ollama.spillovers";
    public const string QueueLength = "ollama.queue.length";
    public const string QueueWait = "ollama.queue.wait";
    public const string InstanceState = "ollama.instance.state";
    public const string InstanceSlots = "ollama.instance.slots";
    public const string InstanceSlotsUsed = "ollama.instance.slots.used";
    public const string InstanceSlotsFree = "ollama.instance.slots.free";
    public const string Ejections = "ollama.ejections";
    public const string ModelMemory = "ollama.model.memory";
    public const string DigestMismatch = "ollama.model.digest.mismatch";
    public const string Evictions = "ollama.model.evictions";
    public const string PlacementState = "ollama.placement.state";
    public const string PlacementParallel = "ollama.placement.parallel";
    public const string BreakerOpened = "ollama.breaker.opened";
    public const string Loads = "ollama.model.loads";
    public const string StateHealthy = "ollama.state.healthy";
    public const string StateStoreHealthy = "ollama.state.store.healthy";
    public const string LimitRefusals = "ollama.limit.refusals";
    public const string AccessRefusals = "ollama.access.refusals";
    public const string HeaderLabel = "header";
    public const string LedgerDropped = "ollama.ledger.dropped";
    public const string GpuUtilization = "ollama.gpu.utilization";
    public const string GpuMemoryUsed = "ollama.gpu.memory.used";
    public const string GpuMemoryTotal = "ollama.gpu.memory.total";
    public const string GpuTemperature = "ollama.gpu.temperature";
    public const string Activations = "ollama.activations";
    public const string TierInstancesWanted = "ollama.tier.instances.wanted";
    public const string BuildInfo = "ollama.bridge.build_info";

    // .NET's names, and the names under which the gateway exports them.
    public const string RuntimeAssemblyCount = "dotnet.assembly.count";
    public const string RuntimeAssemblies = "dotnet.assemblies";
    public const string RuntimeProcessorCount = "dotnet.process.cpu.count";
    public const string RuntimeProcessors = "dotnet.process.cpus";
    public const string RuntimeTimerCount = "dotnet.timer.count";
    public const string RuntimeTimers = "dotnet.timers";

    /// <summary>The instruments that ASP.NET Core and HttpClient record for each request, from their documentation. They include routing, memory pools and
    /// pooled connections, which each request uses.</summary>
    public static readonly ImmutableArray<string> HttpRequestInstruments =
    [
        "http.server.request.duration",
        "http.server.active_requests",
        "aspnetcore.routing.match_attempts",
        "aspnetcore.memory_pool.pooled",
        "aspnetcore.memory_pool.allocated",
        "aspnetcore.memory_pool.evicted",
        "aspnetcore.memory_pool.rented",
        "http.client.request.duration",
        "http.client.active_requests",
        "http.client.request.time_in_queue",
        "http.client.open_connections",
    ];

    public const string TenantLabel = "tenant";
    public const string LimitLabel = "limit";
    public const string ModelLabel = "model";
    public const string OperationLabel = "operation";
    public const string ProtocolLabel = "protocol";
    public const string StatusLabel = "status";
    public const string OutcomeLabel = "outcome";
    public const string ReasonLabel = "reason";
    public const string FaultLabel = "fault";
    public const string CauseLabel = "cause";
    public const string InstanceLabel = "instance";
    public const string StateLabel = "state";
    public const string StoreLabel = "store";
    public const string TypeLabel = "type";
    public const string GpuLabel = "gpu";
    public const string PlaceLabel = "place";
    public const string VersionLabel = "version";
    public const string TierLabel = "tier";
    public const string RegionLabel = "region";

    public const string GenAiOperation = "gen_ai.operation.name";
    public const string GenAiProvider = "gen_ai.provider.name";
    public const string GenAiRequestModel = "gen_ai.request.model";
    public const string GenAiTokenType = "gen_ai.token.type";
    public const string GenAiInputTokens = "gen_ai.usage.input_tokens";
    public const string GenAiOutputTokens = "gen_ai.usage.output_tokens";
    public const string BridgeInstance = "bridge.instance";
    public const string BridgeAttempts = "bridge.attempts";
    public const string BridgeAttempt = "bridge.attempt";
    public const string BridgeScores = "bridge.scores";
    public const string BridgeCandidates = "bridge.candidates";
    public const string BridgeOvertaken = "bridge.overtaken";
    public const string BridgeLoaded = "bridge.model.loaded";
    public const string BridgeTier = "bridge.tier";
    public const string BridgeRegion = "bridge.region";
    public const string BridgeSpill = "bridge.spill";
    public const string BridgeRefusal = "bridge.refusal";
    public const string ServerAddress = "server.address";
    public const string ServerPort = "server.port";
    public const string HttpResponseStatus = "http.response.status_code";
    public const string HttpRoute = "http.route";
    public const string ErrorType = "error.type";

    public const string Ollama = "ollama";

    /// <summary>The label of a model that the fleet lacks: clients must not be able to create series.</summary>
    public const string OtherModel = "other";
}

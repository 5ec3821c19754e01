using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Reflection;
using OllamaBridge.Gateway.Activation;
using OllamaBridge.Gateway.Admission;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Fleet.Breaker;
using OllamaBridge.Gateway.Forwarding.Continuation;
using OllamaBridge.Gateway.Forwarding.Faults;
using OllamaBridge.Gateway.Regions;
using OllamaBridge.Gateway.State;

namespace OllamaBridge.Gateway.Telemetry;

/// <summary>The gateway's instruments.</summary>
internal sealed class BridgeMetrics
{
    private static readonly double[] LatencyBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 1.5, 2.5, 5, 10, 20, 40, 80, 160, 320, 640];
    private static readonly double[] FirstTokenBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];
    private static readonly double[] OutputTokenBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5];
    private static readonly long[] UsageBuckets = [1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576];
    private static readonly double[] OperationBuckets = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92, 163.84, 327.68, 655.36];
    private static readonly KeyValuePair<string, object?> Version = new(
        TelemetryNames.VersionLabel, typeof(BridgeMetrics).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0] ?? "");

    private static readonly PlacementCondition[] Conditions = Enum.GetValues<PlacementCondition>();
    private readonly Meter _meter;
    private readonly RequestCounts _counts;
    private readonly Histogram<double> _latency;
    private readonly Histogram<double> _firstToken;
    private readonly Histogram<double> _outputToken;
    private readonly Histogram<long> _usage;
    private readonly Histogram<double> _operation;
    private readonly Counter<long> _retries;
    private readonly Counter<long> _faults;
    private readonly Counter<long> _fallbacks;
    private readonly Counter<long> _continuations;
    private readonly Counter<long> _hedges;
    private readonly Counter<long> _spillovers;
    private readonly Counter<long> _loads;
    private readonly Histogram<double> _queueWait;
    private readonly Counter<long> _limitRefusals;
    private readonly Counter<long> _accessRefusals;
    private readonly Counter<long> _opened;
    private readonly Counter<long> _ledgerDropped;
    private readonly Counter<long> _activations;

    public BridgeMetrics(IMeterFactory meters)
    {
        _meter = meters.Create(TelemetryNames.Meter);
        _counts = new RequestCounts(_meter);
        _latency = _meter.CreateHistogram(TelemetryNames.Latency, "s", "From the request's arrival to the end of its answer.",
            advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = LatencyBuckets });
        _firstToken = _meter.CreateHistogram(TelemetryNames.TimeToFirstToken, "s", "From sending to an instance to the first byte of its answer.",
            advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = FirstTokenBuckets });
        _outputToken = _meter.CreateHistogram(TelemetryNames.TimePerOutputToken, "s", "Between two tokens of an answer, on the mean.",
            advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = OutputTokenBuckets });
        _usage = _meter.CreateHistogram(TelemetryNames.TokenUsage, "{token}", "Tokens of a request, as the instances counted them.",
            advice: new InstrumentAdvice<long> { HistogramBucketBoundaries = UsageBuckets });
        _operation = _meter.CreateHistogram(TelemetryNames.OperationDuration, "s", "From a request's arrival to the end of its answer, of those that asked a model.",
            advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = OperationBuckets });
        _faults = _meter.CreateCounter<long>(TelemetryNames.Faults, "{attempt}", "Failed attempts by whose fault it was.");
        _retries = _meter.CreateCounter<long>(TelemetryNames.Retries, "{retry}", "Attempts after the first.");
        _fallbacks = _meter.CreateCounter<long>(TelemetryNames.Fallbacks, "{request}", "Requests for which another model was asked in the model's place.");
        _hedges = _meter.CreateCounter<long>(TelemetryNames.Hedges, "{request}", "Requests sent to a second instance because their first token was late.");
        _continuations = _meter.CreateCounter<long>(TelemetryNames.Continuations, "{answer}", "Answers that broke off, by what came of going on with them.");
        _spillovers = _meter.CreateCounter<long>(TelemetryNames.Spillovers, "{request}", "Requests sent to the bridge of another region.");
        _loads = _meter.CreateCounter<long>(TelemetryNames.Loads, "{load}", "Requests bound to an instance that did not have their model in memory.");
        _queueWait = _meter.CreateHistogram(TelemetryNames.QueueWait, "s", "Time in the queue, of requests that had to wait.",
            advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = LatencyBuckets });
        _limitRefusals = _meter.CreateCounter<long>(TelemetryNames.LimitRefusals, "{request}", "Requests refused because of their tenant's limits.");
        _accessRefusals = _meter.CreateCounter<long>(TelemetryNames.AccessRefusals, "{request}", "Requests refused because of a foreign Host or Origin.");
        _opened = _meter.CreateCounter<long>(TelemetryNames.BreakerOpened, "{opening}", "Times that a model on an instance was given up for a while.");
        _ledgerDropped = _meter.CreateCounter<long>(TelemetryNames.LedgerDropped, "{record}", "Records of requests that the shared ledger will never have.");
        _activations = _meter.CreateCounter<long>(TelemetryNames.Activations, "{activation}", "Times that requests waited for a cold tier to be started, by what came of it.");
        _meter.CreateObservableGauge(
            TelemetryNames.BuildInfo, () => new Measurement<int>(1, Version), null, "1; which version of the bridge this is.");
    }

    /// <summary>A request has begun; <see cref="End"/> follows, however it ends.</summary>
    public void Begin() => _counts.Begin();

    /// <summary>A request is over.</summary>
    public void End() => _counts.End();

    /// <summary>A request has ended.</summary>
    public void RecordRequest(in RequestLabels request, TimeSpan duration)
    {
        _counts.Add(request);
        _latency.Record(
            duration.TotalSeconds,
            new KeyValuePair<string, object?>(TelemetryNames.OperationLabel, request.Operation),
            new KeyValuePair<string, object?>(TelemetryNames.ModelLabel, request.Model),
            new KeyValuePair<string, object?>(TelemetryNames.OutcomeLabel, request.Outcome));
    }

    /// <summary>An answer told what it consumed.</summary>
    public void RecordTokens(string model, long input, long output) => _counts.AddTokens(model, input, output);

    /// <summary>A request that asked a model has ended.</summary>
    /// <param name="operation">As the conventions for generative AI call it.</param>
    /// <param name="model">Its label.</param>
    /// <param name="error">What became of it where it was not answered; else null.</param>
    /// <param name="duration">From its arrival to its end.</param>
    /// <param name="input">Tokens of the prompt; 0 where nobody counted them.</param>
    /// <param name="output">Tokens of the answer.</param>
    public void RecordOperation(string operation, string model, string? error, TimeSpan duration, long input, long output)
    {
        var tags = GenAiTags(operation, model);
        RecordUsage(tags, "input", input);
        RecordUsage(tags, "output", output);
        if (error is not null)
            tags.Add(TelemetryNames.ErrorType, error);
        _operation.Record(duration.TotalSeconds, tags);
    }

    /// <summary>A stream's first byte has come.</summary>
    public void RecordFirstToken(string operation, string model, TimeSpan time) => _firstToken.Record(time.TotalSeconds, GenAiTags(operation, model));

    /// <summary>An answer is whole.</summary>
    /// <param name="operation">As the conventions for generative AI call it.</param>
    /// <param name="model">Canonical name.</param>
    /// <param name="tokens">Tokens of the answer.</param>
    /// <param name="decoding">What they took.</param>
    public void RecordDecoding(string operation, string model, long tokens, TimeSpan decoding)
    {
        if (tokens > 1 && decoding > TimeSpan.Zero)
            _outputToken.Record(decoding.TotalSeconds / tokens, GenAiTags(operation, model));
    }

    /// <summary>A failed attempt has been judged.</summary>
    public void RecordFault(Fault fault, InstanceFailure reason) => _faults.Add(
        1,
        new KeyValuePair<string, object?>(TelemetryNames.FaultLabel, Labels.Of(fault)),
        new KeyValuePair<string, object?>(TelemetryNames.ReasonLabel, Labels.Of(reason)));

    /// <summary>A request is sent again.</summary>
    public void RecordRetry(InstanceFailure reason) => _retries.Add(1, new KeyValuePair<string, object?>(TelemetryNames.ReasonLabel, Labels.Of(reason)));

    /// <summary>Another model is asked in a model's place. Only a configured one has such.</summary>
    public void RecordFallback(string model, Naming.FallbackCause reason) => _fallbacks.Add(
        1,
        new KeyValuePair<string, object?>(TelemetryNames.ModelLabel, model),
        new KeyValuePair<string, object?>(TelemetryNames.ReasonLabel, Labels.Of(reason)));

    /// <summary>A request was sent to a second instance.</summary>
    /// <param name="outcome">What came of it: <c>won</c>, <c>lost</c> to the first, both <c>failed</c>, <c>cancelled</c> by the client.</param>
    public void RecordHedge(string outcome) => _hedges.Add(1, new KeyValuePair<string, object?>(TelemetryNames.OutcomeLabel, outcome));

    /// <summary>An answer broke off.</summary>
    /// <param name="cause">Why.</param>
    /// <param name="outcome">What came of going on with it: <c>succeeded</c>, <c>interrupted</c> again, <c>failed</c>.</param>
    public void RecordContinuation(Interruption cause, string outcome) => _continuations.Add(
        1,
        new KeyValuePair<string, object?>(TelemetryNames.CauseLabel, Labels.Of(cause)),
        new KeyValuePair<string, object?>(TelemetryNames.OutcomeLabel, outcome));

    /// <summary>A request is sent to the bridge of another region.</summary>
    public void RecordSpillover(string region, SpillReason reason) => _spillovers.Add(
        1,
        new KeyValuePair<string, object?>(TelemetryNames.RegionLabel, region),
        new KeyValuePair<string, object?>(TelemetryNames.ReasonLabel, Labels.Of(reason)));

    /// <summary>A request was bound to an instance that has to load its model first.</summary>
    public void RecordLoad(string model, string instance) => _loads.Add(
        1,
        new KeyValuePair<string, object?>(TelemetryNames.ModelLabel, model),
        new KeyValuePair<string, object?>(TelemetryNames.InstanceLabel, instance));

    /// <summary>A model on an instance is given up for a while.</summary>
    public void RecordOpened(string model, string instance, InstanceFailure reason) => _opened.Add(
        1,
        new KeyValuePair<string, object?>(TelemetryNames.ModelLabel, model),
        new KeyValuePair<string, object?>(TelemetryNames.InstanceLabel, instance),
        new KeyValuePair<string, object?>(TelemetryNames.ReasonLabel, Labels.Of(reason)));

    /// <summary>Lets be read how models on instances may be used, of those that ever were kept from work.</summary>
    public void ObservePlacements(Func<IEnumerable<PlacementReport>> read) => _meter.CreateObservableGauge(
        TelemetryNames.PlacementState,
        () => read().SelectMany(report => Conditions.Select(condition => new Measurement<int>(
            report.Condition == condition ? 1 : 0,
            new KeyValuePair<string, object?>(TelemetryNames.InstanceLabel, report.Instance),
            new KeyValuePair<string, object?>(TelemetryNames.ModelLabel, report.Model),
            new KeyValuePair<string, object?>(TelemetryNames.StateLabel, Labels.Of(condition))))),
        null,
        "1 for the state that a model on an instance is in, 0 for the others; only where it ever was another than steady.");

    /// <summary>Reports how many requests of a model an instance was seen to run at once, if fewer than its slots.</summary>
    public void ObserveParallelism(Func<IEnumerable<(string Instance, string Model, int Parallel)>> read) => _meter.CreateObservableGauge(
        TelemetryNames.PlacementParallel,
        () => read().Select(limit => new Measurement<int>(
            limit.Parallel,
            new KeyValuePair<string, object?>(TelemetryNames.InstanceLabel, limit.Instance),
            new KeyValuePair<string, object?>(TelemetryNames.ModelLabel, limit.Model))),
        "{request}",
        "Requests of a model that an instance was seen to run at once, while that limits its slots.");

    /// <summary>A request was more than its tenant's limits allow.</summary>
    public void RecordLimitRefusal(string tenant, QuotaLimit limit) => _limitRefusals.Add(
        1,
        new KeyValuePair<string, object?>(TelemetryNames.TenantLabel, tenant),
        new KeyValuePair<string, object?>(TelemetryNames.LimitLabel, Labels.Of(limit)));

    /// <summary>A request was refused because of a foreign header.</summary>
    /// <param name="header">Its name.</param>
    public void RecordAccessRefusal(string header) => _accessRefusals.Add(1, new KeyValuePair<string, object?>(TelemetryNames.HeaderLabel, header));

    /// <summary>Records were dropped that the shared state does not have.</summary>
    public void RecordLedgerDropped(long records) => _ledgerDropped.Add(records);

    /// <summary>Requests have waited for a cold tier to be started.</summary>
    public void RecordActivation(string tier, ActivationOutcome outcome) => _activations.Add(
        1,
        new KeyValuePair<string, object?>(TelemetryNames.TierLabel, tier),
        new KeyValuePair<string, object?>(TelemetryNames.OutcomeLabel, Labels.Of(outcome)));

    /// <summary>Lets be read how many instances cold tiers are to have.</summary>
    public void ObserveTiers(Func<IEnumerable<(string Tier, int Instances)>> read) => _meter.CreateObservableGauge(
        TelemetryNames.TierInstancesWanted,
        () => read().Select(t => new Measurement<int>(t.Instances, new KeyValuePair<string, object?>(TelemetryNames.TierLabel, t.Tier))),
        "{instance}",
        "Instances that the platform is to have of a cold tier.");

    /// <summary>A request has left the queue.</summary>
    public void RecordQueueWait(string model, string tenant, TimeSpan waited) => _queueWait.Record(
        waited.TotalSeconds,
        new KeyValuePair<string, object?>(TelemetryNames.ModelLabel, model),
        new KeyValuePair<string, object?>(TelemetryNames.TenantLabel, tenant));

    /// <summary>Lets the queue's length be read when somebody collects.</summary>
    /// <param name="read">How many wait for a model; tenant empty for requests that are sent again and stand before all lines.</param>
    public void ObserveQueue(Func<IReadOnlyList<(string Model, string Tenant, int Waiting)>> read) => _meter.CreateObservableGauge(
        TelemetryNames.QueueLength,
        // An empty queue is a zero, not a gap.
        () => (read() is { Count: > 0 } lines ? lines : [("", "", 0)]).Select(line => new Measurement<int>(
            line.Waiting,
            new KeyValuePair<string, object?>(TelemetryNames.ModelLabel, line.Model),
            new KeyValuePair<string, object?>(TelemetryNames.TenantLabel, line.Tenant))),
        "{request}",
        "Requests that wait for a slot.");

    /// <summary>Lets be read whether the shared state answers, and which of its stores work.</summary>
    public void ObserveState(Func<bool> isHealthy, Func<IEnumerable<SharedStore>> stores)
    {
        _meter.CreateObservableGauge(
            TelemetryNames.StateHealthy, () => isHealthy() ? 1 : 0, null, "1 while the shared state answers, or there is none; else 0.");
        _meter.CreateObservableGauge(
            TelemetryNames.StateStoreHealthy,
            () => stores().Select(s => new Measurement<int>(s.IsHealthy ? 1 : 0, new KeyValuePair<string, object?>(TelemetryNames.StoreLabel, s.Name))),
            null,
            "1 while a store of the shared state works; 0 while the gateway goes on without it.");
    }

    // The list is a value: what is added here is not the caller's.
    private void RecordUsage(TagList tags, string type, long tokens)
    {
        if (tokens <= 0)
            return;
        tags.Add(TelemetryNames.GenAiTokenType, type);
        _usage.Record(tokens, tags);
    }

    private static TagList GenAiTags(string operation, string model) => new()
    {
        { TelemetryNames.GenAiOperation, operation },
        { TelemetryNames.GenAiProvider, TelemetryNames.Ollama },
        { TelemetryNames.GenAiRequestModel, model },
    };
}

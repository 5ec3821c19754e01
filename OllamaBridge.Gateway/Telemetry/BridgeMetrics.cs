using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Reflection;
using OllamaBridge.Gateway.Activation;
using OllamaBridge.Gateway.Catalog;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Fleet.Breaker;
using OllamaBridge.Gateway.Fleet.Regions;
using OllamaBridge.Gateway.Forwarding.Faults;
using OllamaBridge.Gateway.Quotas;
using OllamaBridge.Gateway.Resumption;
using OllamaBridge.Gateway.State;

namespace OllamaBridge.Gateway.Telemetry;

/// <summary>The gateway's instruments for requests, tenants and stores.</summary>
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
        _latency = _meter.CreateHistogram(TelemetryNames.Latency, "s", "From the request's arrival to the end of its response.",
            advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = LatencyBuckets });
        _firstToken = _meter.CreateHistogram(TelemetryNames.TimeToFirstToken, "s", "From sending to an instance to the first byte of its response.",
            advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = FirstTokenBuckets });
        _outputToken = _meter.CreateHistogram(TelemetryNames.TimePerOutputToken, "s", "Mean time between two tokens of a response.",
            advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = OutputTokenBuckets });
        _usage = _meter.CreateHistogram(TelemetryNames.TokenUsage, "{token}", "Tokens of a request, as the instances counted them.",
            advice: new InstrumentAdvice<long> { HistogramBucketBoundaries = UsageBuckets });
        _operation = _meter.CreateHistogram(TelemetryNames.OperationDuration, "s", "From a request's arrival to the end of its response, for requests to a model.",
            advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = OperationBuckets });
        _faults = _meter.CreateCounter<long>(TelemetryNames.Faults, "{attempt}", "Failed attempts by the party at fault.");
        _retries = _meter.CreateCounter<long>(TelemetryNames.Retries, "{retry}", "Attempts after the first.");
        _fallbacks = _meter.CreateCounter<long>(TelemetryNames.Fallbacks, "{request}", "Requests that were sent to a fallback model.");
        _hedges = _meter.CreateCounter<long>(TelemetryNames.Hedges, "{request}", "Requests sent to a second instance because their first token was late.");
        _continuations = _meter.CreateCounter<long>(TelemetryNames.Continuations, "{answer}", "Interrupted responses by the outcome of their resumption.");
        _spillovers = _meter.CreateCounter<long>(TelemetryNames.Spillovers, "{request}", "Requests sent to the bridge of another region.");
        _loads = _meter.CreateCounter<long>(TelemetryNames.Loads, "{load}", "Requests leased to an instance without their model in memory.");
        _queueWait = _meter.CreateHistogram(TelemetryNames.QueueWait, "s", "Time of waiting requests in the queue.",
            advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = LatencyBuckets });
        _limitRefusals = _meter.CreateCounter<long>(TelemetryNames.LimitRefusals, "{request}", "Requests rejected because of their tenant's quota.");
        _accessRefusals = _meter.CreateCounter<long>(TelemetryNames.AccessRefusals, "{request}", "Requests rejected because of a foreign Host or Origin.");
        _opened = _meter.CreateCounter<long>(TelemetryNames.BreakerOpened, "{opening}", "Circuits opened for a model on an instance.");
        _ledgerDropped = _meter.CreateCounter<long>(TelemetryNames.LedgerDropped, "{record}", "Usage records that were dropped before the shared ledger had them.");
        _activations = _meter.CreateCounter<long>(TelemetryNames.Activations, "{activation}", "Activations of cold tiers for waiting requests, by outcome.");
        _meter.CreateObservableGauge(
            TelemetryNames.BuildInfo, () => new Measurement<int>(1, Version), null, "Always 1; the label has the bridge's version.");
    }

    /// <summary>Counts a request as in flight until <see cref="End"/>, which follows every outcome.</summary>
    public void Begin() => _counts.Begin();

    public void End() => _counts.End();

    public void RecordRequest(in RequestLabels request, TimeSpan duration)
    {
        _counts.Add(request);
        _latency.Record(
            duration.TotalSeconds,
            new KeyValuePair<string, object?>(TelemetryNames.OperationLabel, request.Operation),
            new KeyValuePair<string, object?>(TelemetryNames.ModelLabel, request.Model),
            new KeyValuePair<string, object?>(TelemetryNames.OutcomeLabel, request.Outcome));
    }

    public void RecordTokens(string model, long input, long output) => _counts.AddTokens(model, input, output);

    /// <summary>Records a request to a model that has ended.</summary>
    /// <param name="operation">The operation's name in OpenTelemetry's GenAI conventions.</param>
    /// <param name="model">The model's label.</param>
    /// <param name="error">The outcome of a failed request; null for a success.</param>
    /// <param name="duration">From its arrival to its end.</param>
    /// <param name="input">Tokens of the prompt; 0 if not counted.</param>
    /// <param name="output">Tokens of the response.</param>
    public void RecordOperation(string operation, string model, string? error, TimeSpan duration, long input, long output)
    {
        var tags = GenAiTags(operation, model);
        RecordUsage(tags, "input", input);
        RecordUsage(tags, "output", output);
        if (error is not null)
            tags.Add(TelemetryNames.ErrorType, error);
        _operation.Record(duration.TotalSeconds, tags);
    }

    public void RecordFirstToken(string operation, string model, TimeSpan time) => _firstToken.Record(time.TotalSeconds, GenAiTags(operation, model));

    /// <summary>Records the time per output token of a complete response.</summary>
    /// <param name="operation">The operation's name in OpenTelemetry's GenAI conventions.</param>
    /// <param name="model">Canonical name.</param>
    /// <param name="tokens">Tokens of the response.</param>
    /// <param name="decoding">The duration of their generation.</param>
    public void RecordDecoding(string operation, string model, long tokens, TimeSpan decoding)
    {
        if (tokens > 1 && decoding > TimeSpan.Zero)
            _outputToken.Record(decoding.TotalSeconds / tokens, GenAiTags(operation, model));
    }

    public void RecordFault(Fault fault, InstanceFailure reason) => _faults.Add(
        1,
        new KeyValuePair<string, object?>(TelemetryNames.FaultLabel, Labels.Of(fault)),
        new KeyValuePair<string, object?>(TelemetryNames.ReasonLabel, Labels.Of(reason)));

    public void RecordRetry(InstanceFailure reason) => _retries.Add(1, new KeyValuePair<string, object?>(TelemetryNames.ReasonLabel, Labels.Of(reason)));

    /// <summary>Records the use of a fallback model. Only configured models have one, so the label is bounded.</summary>
    public void RecordFallback(string model, FallbackCause reason) => _fallbacks.Add(
        1,
        new KeyValuePair<string, object?>(TelemetryNames.ModelLabel, model),
        new KeyValuePair<string, object?>(TelemetryNames.ReasonLabel, Labels.Of(reason)));

    /// <summary>
    /// Records a hedged request. <paramref name="outcome"/>: <c>won</c>, <c>lost</c> to the first, both <c>failed</c>, <c>cancelled</c> by the
    /// client.
    /// </summary>
    public void RecordHedge(string outcome) => _hedges.Add(1, new KeyValuePair<string, object?>(TelemetryNames.OutcomeLabel, outcome));

    /// <summary>Records an interrupted response.</summary>
    /// <param name="cause">The cause of the interruption.</param>
    /// <param name="outcome">The outcome of the resumption: <c>succeeded</c>, <c>interrupted</c> again, <c>failed</c>.</param>
    public void RecordContinuation(Interruption cause, string outcome) => _continuations.Add(
        1,
        new KeyValuePair<string, object?>(TelemetryNames.CauseLabel, Labels.Of(cause)),
        new KeyValuePair<string, object?>(TelemetryNames.OutcomeLabel, outcome));

    public void RecordSpillover(string region, SpillReason reason) => _spillovers.Add(
        1,
        new KeyValuePair<string, object?>(TelemetryNames.RegionLabel, region),
        new KeyValuePair<string, object?>(TelemetryNames.ReasonLabel, Labels.Of(reason)));

    /// <summary>Records a lease on an instance that has to load the model first.</summary>
    public void RecordLoad(string model, string instance) => _loads.Add(
        1,
        new KeyValuePair<string, object?>(TelemetryNames.ModelLabel, model),
        new KeyValuePair<string, object?>(TelemetryNames.InstanceLabel, instance));

    public void RecordOpened(string model, string instance, InstanceFailure reason) => _opened.Add(
        1,
        new KeyValuePair<string, object?>(TelemetryNames.ModelLabel, model),
        new KeyValuePair<string, object?>(TelemetryNames.InstanceLabel, instance),
        new KeyValuePair<string, object?>(TelemetryNames.ReasonLabel, Labels.Of(reason)));

    /// <summary>Observes the condition of placements that were restricted at least once.</summary>
    public void ObservePlacements(Func<IEnumerable<PlacementReport>> read) => _meter.CreateObservableGauge(
        TelemetryNames.PlacementState,
        () => read().SelectMany(report => Conditions.Select(condition => new Measurement<int>(
            report.Condition == condition ? 1 : 0,
            new KeyValuePair<string, object?>(TelemetryNames.InstanceLabel, report.Instance),
            new KeyValuePair<string, object?>(TelemetryNames.ModelLabel, report.Model),
            new KeyValuePair<string, object?>(TelemetryNames.StateLabel, Labels.Of(condition))))),
        null,
        "1 for the current state of a model on an instance, 0 for the others; only for models that ever left the steady state.");

    /// <summary>Observes how many requests of a model an instance runs in parallel, if fewer than its slots.</summary>
    public void ObserveParallelism(Func<IEnumerable<(string Instance, string Model, int Parallel)>> read) => _meter.CreateObservableGauge(
        TelemetryNames.PlacementParallel,
        () => read().Select(limit => new Measurement<int>(
            limit.Parallel,
            new KeyValuePair<string, object?>(TelemetryNames.InstanceLabel, limit.Instance),
            new KeyValuePair<string, object?>(TelemetryNames.ModelLabel, limit.Model))),
        "{request}",
        "Parallel requests of a model observed on an instance, while that limits its slots.");

    public void RecordLimitRefusal(string tenant, QuotaLimit limit) => _limitRefusals.Add(
        1,
        new KeyValuePair<string, object?>(TelemetryNames.TenantLabel, tenant),
        new KeyValuePair<string, object?>(TelemetryNames.LimitLabel, Labels.Of(limit)));

    /// <summary>Records a request that was rejected because of a header, given by its name.</summary>
    public void RecordAccessRefusal(string header) => _accessRefusals.Add(1, new KeyValuePair<string, object?>(TelemetryNames.HeaderLabel, header));

    /// <summary>Records usage records that were dropped before the shared state had them.</summary>
    public void RecordLedgerDropped(long records) => _ledgerDropped.Add(records);

    public void RecordActivation(string tier, ActivationOutcome outcome) => _activations.Add(
        1,
        new KeyValuePair<string, object?>(TelemetryNames.TierLabel, tier),
        new KeyValuePair<string, object?>(TelemetryNames.OutcomeLabel, Labels.Of(outcome)));

    /// <summary>Observes the wanted number of instances of cold tiers.</summary>
    public void ObserveTiers(Func<IEnumerable<(string Tier, int Instances)>> read) => _meter.CreateObservableGauge(
        TelemetryNames.TierInstancesWanted,
        () => read().Select(t => new Measurement<int>(t.Instances, new KeyValuePair<string, object?>(TelemetryNames.TierLabel, t.Tier))),
        "{instance}",
        "The wanted number of instances of a cold tier.");

    public void RecordQueueWait(string model, string tenant, TimeSpan waited) => _queueWait.Record(
        waited.TotalSeconds,
        new KeyValuePair<string, object?>(TelemetryNames.ModelLabel, model),
        new KeyValuePair<string, object?>(TelemetryNames.TenantLabel, tenant));

    /// <summary>Observes the queue's length.</summary>
    /// <param name="read">The number of waiting requests for each model and tenant; the tenant is empty for retries, which precede all lanes.</param>
    public void ObserveQueue(Func<IReadOnlyList<(string Model, string Tenant, int Waiting)>> read) => _meter.CreateObservableGauge(
        TelemetryNames.QueueLength,
        // An empty queue is a zero, not a missing series.
        () => (read() is { Count: > 0 } lines ? lines : [("", "", 0)]).Select(line => new Measurement<int>(
            line.Waiting,
            new KeyValuePair<string, object?>(TelemetryNames.ModelLabel, line.Model),
            new KeyValuePair<string, object?>(TelemetryNames.TenantLabel, line.Tenant))),
        "{request}",
        "Requests that wait for a slot.");

    /// <summary>Observes the health of the shared state and its stores.</summary>
    public void ObserveState(Func<bool> isHealthy, Func<IEnumerable<SharedStore>> stores)
    {
        _meter.CreateObservableGauge(
            TelemetryNames.StateHealthy, () => isHealthy() ? 1 : 0, null, "1 while the shared state responds, or there is none; else 0.");
        _meter.CreateObservableGauge(
            TelemetryNames.StateStoreHealthy,
            () => stores().Select(s => new Measurement<int>(s.IsHealthy ? 1 : 0, new KeyValuePair<string, object?>(TelemetryNames.StoreLabel, s.Name))),
            null,
            "1 while a store of the shared state works; 0 while the gateway works without it.");
    }

    // TagList is a struct: tags added here do not change the caller's list.
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

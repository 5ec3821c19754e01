using System.Diagnostics.Metrics;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Fleet.Regions;
using OllamaBridge.Gateway.Forwarding.Faults;
using OllamaBridge.Gateway.Telemetry;

namespace OllamaBridge.Gateway.Forwarding;

internal sealed class ForwardingMetrics
{
    private static readonly double[] FirstTokenBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];
    private static readonly double[] OutputTokenBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5];
    private readonly Histogram<double> _firstToken;
    private readonly Histogram<double> _outputToken;
    private readonly Counter<long> _faults;
    private readonly Counter<long> _retries;
    private readonly Counter<long> _hedges;
    private readonly Counter<long> _spillovers;
    private readonly Counter<long> _loads;

    public ForwardingMetrics(IMeterFactory meters)
    {
        var meter = meters.Create(TelemetryNames.Meter);
        _firstToken = meter.CreateHistogram(TelemetryNames.TimeToFirstToken, "s", "From sending to an instance to the first byte of its response.",
            advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = FirstTokenBuckets });
        _outputToken = meter.CreateHistogram(TelemetryNames.TimePerOutputToken, "s", "Mean time between two tokens of a response.",
            advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = OutputTokenBuckets });
        _faults = meter.CreateCounter<long>(TelemetryNames.Faults, "{attempt}", "Failed attempts by the party at fault.");
        _retries = meter.CreateCounter<long>(TelemetryNames.Retries, "{retry}", "Attempts after the first.");
        _hedges = meter.CreateCounter<long>(TelemetryNames.Hedges, "{request}", "Requests sent to a second instance because their first token was late.");
        _spillovers = meter.CreateCounter<long>(TelemetryNames.Spillovers, "{request}", "Requests sent to the bridge of another region.");
        _loads = meter.CreateCounter<long>(TelemetryNames.Loads, "{load}", "Requests leased to an instance without their model in memory.");
    }

    public void RecordFirstToken(string operation, string model, TimeSpan time) => _firstToken.Record(time.TotalSeconds, GenAiTags.Of(operation, model));

    public void RecordDecoding(string operation, string model, long tokens, TimeSpan decoding)
    {
        if (tokens > 1 && decoding > TimeSpan.Zero)
            _outputToken.Record(decoding.TotalSeconds / tokens, GenAiTags.Of(operation, model));
    }

    public void RecordFault(Fault fault, InstanceFailure reason) => _faults.Add(
        1,
        new KeyValuePair<string, object?>(TelemetryNames.FaultLabel, Labels.Of(fault)),
        new KeyValuePair<string, object?>(TelemetryNames.ReasonLabel, Labels.Of(reason)));

    public void RecordRetry(InstanceFailure reason) => _retries.Add(1, new KeyValuePair<string, object?>(TelemetryNames.ReasonLabel, Labels.Of(reason)));

    /// <param name="outcome"><c>won</c>, <c>lost</c> to the first, both <c>failed</c>, <c>cancelled</c> by the client.</param>
    public void RecordHedge(string outcome) => _hedges.Add(1, new KeyValuePair<string, object?>(TelemetryNames.OutcomeLabel, outcome));

    public void RecordSpillover(string region, SpillReason reason) => _spillovers.Add(
        1,
        new KeyValuePair<string, object?>(TelemetryNames.RegionLabel, region),
        new KeyValuePair<string, object?>(TelemetryNames.ReasonLabel, Labels.Of(reason)));

    public void RecordLoad(string model, string instance) => _loads.Add(
        1,
        new KeyValuePair<string, object?>(TelemetryNames.ModelLabel, model),
        new KeyValuePair<string, object?>(TelemetryNames.InstanceLabel, instance));
}

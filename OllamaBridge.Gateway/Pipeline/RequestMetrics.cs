using System.Diagnostics;
using System.Diagnostics.Metrics;
using OllamaBridge.Gateway.Telemetry;

namespace OllamaBridge.Gateway.Pipeline;

internal sealed class RequestMetrics
{
    private static readonly double[] LatencyBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 1.5, 2.5, 5, 10, 20, 40, 80, 160, 320, 640];
    private static readonly long[] UsageBuckets = [1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576];
    private static readonly double[] OperationBuckets = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92, 163.84, 327.68, 655.36];
    private readonly RequestCounts _counts;
    private readonly Histogram<double> _latency;
    private readonly Histogram<long> _usage;
    private readonly Histogram<double> _operation;

    public RequestMetrics(IMeterFactory meters)
    {
        var meter = meters.Create(TelemetryNames.Meter);
        _counts = new RequestCounts(meter);
        _latency = meter.CreateHistogram(TelemetryNames.Latency, "s", "From the request's arrival to the end of its response.",
            advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = LatencyBuckets });
        _usage = meter.CreateHistogram(TelemetryNames.TokenUsage, "{token}", "Tokens of a request, as the instances counted them.",
            advice: new InstrumentAdvice<long> { HistogramBucketBoundaries = UsageBuckets });
        _operation = meter.CreateHistogram(TelemetryNames.OperationDuration, "s", "From a request's arrival to the end of its response, for requests to a model.",
            advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = OperationBuckets });
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

    /// <summary>Names follow OpenTelemetry's GenAI conventions. <paramref name="error"/> is null for a success.</summary>
    public void RecordOperation(string operation, string model, string? error, TimeSpan duration, long input, long output)
    {
        var tags = GenAiTags.Of(operation, model);
        RecordUsage(tags, "input", input);
        RecordUsage(tags, "output", output);
        if (error is not null)
            tags.Add(TelemetryNames.ErrorType, error);
        _operation.Record(duration.TotalSeconds, tags);
    }

    // TagList is a struct: tags added here do not change the caller's list.
    private void RecordUsage(TagList tags, string type, long tokens)
    {
        if (tokens <= 0)
            return;
        tags.Add(TelemetryNames.GenAiTokenType, type);
        _usage.Record(tokens, tags);
    }
}

using System.Diagnostics.Metrics;
using OllamaBridge.Gateway.Telemetry;

namespace OllamaBridge.Gateway.Queueing;

internal sealed class QueueMetrics
{
    private static readonly double[] WaitBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 1.5, 2.5, 5, 10, 20, 40, 80, 160, 320, 640];
    private readonly Meter _meter;
    private readonly Histogram<double> _wait;

    public QueueMetrics(IMeterFactory meters)
    {
        _meter = meters.Create(TelemetryNames.Meter);
        _wait = _meter.CreateHistogram(TelemetryNames.QueueWait, "s", "Time of waiting requests in the queue.",
            advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = WaitBuckets });
    }

    public void RecordQueueWait(string model, string tenant, TimeSpan waited) => _wait.Record(
        waited.TotalSeconds,
        new KeyValuePair<string, object?>(TelemetryNames.ModelLabel, model),
        new KeyValuePair<string, object?>(TelemetryNames.TenantLabel, tenant));

    /// <summary>Observes the queue's length by model and tenant; the tenant is empty for retries, which precede all lanes.</summary>
    public void ObserveQueue(Func<IReadOnlyList<(string Model, string Tenant, int Waiting)>> read) => _meter.CreateObservableGauge(
        TelemetryNames.QueueLength,
        // An empty queue is a zero, not a missing series.
        () => (read() is { Count: > 0 } lines ? lines : [("", "", 0)]).Select(line => new Measurement<int>(
            line.Waiting,
            new KeyValuePair<string, object?>(TelemetryNames.ModelLabel, line.Model),
            new KeyValuePair<string, object?>(TelemetryNames.TenantLabel, line.Tenant))),
        "{request}",
        "Requests that wait for a slot.");
}

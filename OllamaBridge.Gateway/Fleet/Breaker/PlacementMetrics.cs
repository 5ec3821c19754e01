using System.Diagnostics.Metrics;
using OllamaBridge.Gateway.Telemetry;

namespace OllamaBridge.Gateway.Fleet.Breaker;

internal sealed class PlacementMetrics
{
    private static readonly PlacementCondition[] Conditions = Enum.GetValues<PlacementCondition>();
    private readonly Meter _meter;
    private readonly Counter<long> _opened;

    public PlacementMetrics(IMeterFactory meters)
    {
        _meter = meters.Create(TelemetryNames.Meter);
        _opened = _meter.CreateCounter<long>(TelemetryNames.BreakerOpened, "{opening}", "Circuits opened for a model on an instance.");
    }

    public void RecordOpened(string model, string instance, InstanceFailure reason) => _opened.Add(
        1,
        new KeyValuePair<string, object?>(TelemetryNames.ModelLabel, model),
        new KeyValuePair<string, object?>(TelemetryNames.InstanceLabel, instance),
        new KeyValuePair<string, object?>(TelemetryNames.ReasonLabel, Labels.Of(reason)));

    public void ObservePlacements(Func<IEnumerable<PlacementReport>> read) => _meter.CreateObservableGauge(
        TelemetryNames.PlacementState,
        () => read().SelectMany(report => Conditions.Select(condition => new Measurement<int>(
            report.Condition == condition ? 1 : 0,
            new KeyValuePair<string, object?>(TelemetryNames.InstanceLabel, report.Instance),
            new KeyValuePair<string, object?>(TelemetryNames.ModelLabel, report.Model),
            new KeyValuePair<string, object?>(TelemetryNames.StateLabel, Labels.Of(condition))))),
        null,
        "1 for the current state of a model on an instance, 0 for the others; only for models that ever left the steady state.");

    public void ObserveParallelism(Func<IEnumerable<(string Instance, string Model, int Parallel)>> read) => _meter.CreateObservableGauge(
        TelemetryNames.PlacementParallel,
        () => read().Select(limit => new Measurement<int>(
            limit.Parallel,
            new KeyValuePair<string, object?>(TelemetryNames.InstanceLabel, limit.Instance),
            new KeyValuePair<string, object?>(TelemetryNames.ModelLabel, limit.Model))),
        "{request}",
        "Parallel requests of a model observed on an instance, while that limits its slots.");
}

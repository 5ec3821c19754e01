using System.Diagnostics.Metrics;
using OllamaBridge.Gateway.Telemetry;

namespace OllamaBridge.Gateway.Activation;

internal sealed class ActivationMetrics
{
    private readonly Meter _meter;
    private readonly Counter<long> _activations;

    public ActivationMetrics(IMeterFactory meters)
    {
        _meter = meters.Create(TelemetryNames.Meter);
        _activations = _meter.CreateCounter<long>(TelemetryNames.Activations, "{activation}", "Activations of cold tiers for waiting requests, by outcome.");
    }

    public void RecordActivation(string tier, ActivationOutcome outcome) => _activations.Add(
        1,
        new KeyValuePair<string, object?>(TelemetryNames.TierLabel, tier),
        new KeyValuePair<string, object?>(TelemetryNames.OutcomeLabel, Labels.Of(outcome)));

    public void ObserveTiers(Func<IEnumerable<(string Tier, int Instances)>> read) => _meter.CreateObservableGauge(
        TelemetryNames.TierInstancesWanted,
        () => read().Select(t => new Measurement<int>(t.Instances, new KeyValuePair<string, object?>(TelemetryNames.TierLabel, t.Tier))),
        "{instance}",
        "The wanted number of instances of a cold tier.");
}

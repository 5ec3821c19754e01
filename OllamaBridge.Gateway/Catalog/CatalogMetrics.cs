using System.Diagnostics.Metrics;
using OllamaBridge.Gateway.Telemetry;

namespace OllamaBridge.Gateway.Catalog;

internal sealed class CatalogMetrics(IMeterFactory meters)
{
    private readonly Counter<long> _fallbacks = meters.Create(TelemetryNames.Meter)
        .CreateCounter<long>(TelemetryNames.Fallbacks, "{request}", "Requests that were sent to a fallback model.");

    /// <summary>Records the use of a fallback model. Only configured models have one, so the label is bounded.</summary>
    public void RecordFallback(string model, FallbackCause reason) => _fallbacks.Add(
        1,
        new KeyValuePair<string, object?>(TelemetryNames.ModelLabel, model),
        new KeyValuePair<string, object?>(TelemetryNames.ReasonLabel, Labels.Of(reason)));
}

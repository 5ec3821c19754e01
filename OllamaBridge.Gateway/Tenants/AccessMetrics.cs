using System.Diagnostics.Metrics;
using OllamaBridge.Gateway.Telemetry;

namespace OllamaBridge.Gateway.Tenants;

internal sealed class AccessMetrics(IMeterFactory meters)
{
    private readonly Counter<long> _refusals = meters.Create(TelemetryNames.Meter)
        .CreateCounter<long>(TelemetryNames.AccessRefusals, "{request}", "Requests rejected because of a foreign Host or Origin.");

    public void RecordAccessRefusal(string header) => _refusals.Add(1, new KeyValuePair<string, object?>(TelemetryNames.HeaderLabel, header));
}

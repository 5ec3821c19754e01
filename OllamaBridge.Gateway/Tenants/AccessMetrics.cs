using System.Diagnostics.Metrics;
using OllamaBridge.Gateway.Telemetry;

namespace OllamaBridge.Gateway.Tenants;

/// <summary>The instruments of the access rules.</summary>
internal sealed class AccessMetrics(IMeterFactory meters)
{
    private readonly Counter<long> _refusals = meters.Create(TelemetryNames.Meter)
        .CreateCounter<long>(TelemetryNames.AccessRefusals, "{request}", "Requests rejected because of a foreign Host or Origin.");

    /// <summary>Records a request that was rejected because of a header, given by its name.</summary>
    public void RecordAccessRefusal(string header) => _refusals.Add(1, new KeyValuePair<string, object?>(TelemetryNames.HeaderLabel, header));
}

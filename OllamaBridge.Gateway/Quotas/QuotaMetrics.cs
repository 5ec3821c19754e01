using System.Diagnostics.Metrics;
using OllamaBridge.Gateway.Telemetry;

namespace OllamaBridge.Gateway.Quotas;

internal sealed class QuotaMetrics(IMeterFactory meters)
{
    private readonly Counter<long> _refusals = meters.Create(TelemetryNames.Meter)
        .CreateCounter<long>(TelemetryNames.LimitRefusals, "{request}", "Requests rejected because of their tenant's quota.");

    public void RecordLimitRefusal(string tenant, QuotaLimit limit) => _refusals.Add(
        1,
        new KeyValuePair<string, object?>(TelemetryNames.TenantLabel, tenant),
        new KeyValuePair<string, object?>(TelemetryNames.LimitLabel, Labels.Of(limit)));
}

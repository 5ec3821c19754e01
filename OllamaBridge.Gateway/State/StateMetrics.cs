using System.Diagnostics.Metrics;
using OllamaBridge.Gateway.Telemetry;

namespace OllamaBridge.Gateway.State;

internal sealed class StateMetrics
{
    private readonly Meter _meter;
    private readonly Counter<long> _ledgerDropped;

    public StateMetrics(IMeterFactory meters)
    {
        _meter = meters.Create(TelemetryNames.Meter);
        _ledgerDropped = _meter.CreateCounter<long>(
            TelemetryNames.LedgerDropped, "{record}", "Usage records that were dropped before the shared ledger had them.");
    }

    public void RecordLedgerDropped(long records) => _ledgerDropped.Add(records);

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
}

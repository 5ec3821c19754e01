using System.Collections.Immutable;
using System.Diagnostics.Metrics;
using OllamaBridge.Gateway.Telemetry;

namespace OllamaBridge.Gateway.Fleet;

internal sealed class FleetMetrics : IHostedService
{
    private static readonly InstanceStatus[] Statuses = Enum.GetValues<InstanceStatus>();
    private readonly IFleet _fleet;
    private readonly Counter<long> _ejections;
    private readonly Counter<long> _evictions;
    private readonly Lock _lock = new();
    private FleetSnapshot _seen = FleetSnapshot.Empty;

    public FleetMetrics(IMeterFactory meters, IFleet fleet)
    {
        _fleet = fleet;
        var meter = meters.Create(TelemetryNames.Meter);
        _ejections = meter.CreateCounter<long>(TelemetryNames.Ejections, "{ejection}", "Ejections of an instance because requests failed.");
        _evictions = meter.CreateCounter<long>(TelemetryNames.Evictions, "{eviction}", "Models that left an instance's memory.");
        meter.CreateObservableGauge(
            TelemetryNames.InstanceState, () => fleet.Current.Instances.SelectMany(States), null, "1 for the current state of an instance, 0 for the others.");
        meter.CreateObservableGauge(TelemetryNames.InstanceSlots, () => Observe(i => i.Slots), "{slot}", "Slots of an instance.");
        meter.CreateObservableGauge(TelemetryNames.InstanceSlotsUsed, () => Observe(i => i.SlotsUsed), "{slot}", "Slots of an instance that this bridge uses.");
        meter.CreateObservableGauge(
            TelemetryNames.InstanceSlotsFree,
            () => Observe(i => Math.Max(0, Math.Min(i.Allowance, i.Slots) - i.SlotsUsed)),
            "{slot}",
            "Slots of an instance that this bridge can still use.");
        meter.CreateObservableGauge(
            TelemetryNames.ModelMemory, () => fleet.Current.Instances.SelectMany(Memory), "By", "Memory that a model uses on an instance.");
        meter.CreateObservableGauge(
            TelemetryNames.DigestMismatch,
            () => fleet.Current.Mismatches.Select(Mismatch), null, "1 for a model whose digest on an instance differs from the one that the fleet serves.");
    }

    public Task StartAsync(CancellationToken cancellationToken)
    {
        _fleet.Changed += Compare;
        Compare();
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken)
    {
        _fleet.Changed -= Compare;
        return Task.CompletedTask;
    }

    private void Compare()
    {
        lock (_lock)
        {
            var now = _fleet.Current;
            if (now == _seen)
                return;
            var before = _seen.Instances.ToDictionary(v => v.Instance);
            foreach (var view in now.Instances)
                if (before.TryGetValue(view.Instance, out var was))
                    Compare(was, view);
            _seen = now;
        }
    }

    private void Compare(InstanceView was, InstanceView view)
    {
        var instance = new KeyValuePair<string, object?>(TelemetryNames.InstanceLabel, view.Instance.Name);
        if (view.Status == InstanceStatus.Ejected && was.Status != InstanceStatus.Ejected)
            _ejections.Add(1, instance);
        // An instance that was away may be another process, which never had those models in memory.
        if (was.Status != InstanceStatus.Healthy || view.Status != InstanceStatus.Healthy || was.Loaded == view.Loaded)
            return;
        foreach (var model in was.Loaded)
            if (!Has(view.Loaded, model.Key))
                _evictions.Add(1, new KeyValuePair<string, object?>(TelemetryNames.ModelLabel, model.Key), instance);
    }

    private static bool Has(ImmutableArray<LoadedModel> models, string key)
    {
        foreach (var model in models)
            if (model.Key == key)
                return true;
        return false;
    }

    private static IEnumerable<Measurement<int>> States(InstanceView view)
    {
        foreach (var status in Statuses)
            yield return State(view, Labels.Of(status), view.Status == status);
        yield return State(view, "draining", view.Draining);
    }

    private static Measurement<int> State(InstanceView view, string state, bool holds) => new(
        holds ? 1 : 0,
        new KeyValuePair<string, object?>(TelemetryNames.InstanceLabel, view.Instance.Name),
        new KeyValuePair<string, object?>(TelemetryNames.StateLabel, state));

    /// <summary>Only for healthy instances: the memory of others is unknown.</summary>
    private static IEnumerable<Measurement<long>> Memory(InstanceView view)
    {
        if (view.Status != InstanceStatus.Healthy)
            yield break;
        foreach (var model in view.Loaded)
        {
            if (model is not { Size: { } size, SizeInVram: { } inVram })
                continue;
            yield return Memory(view, model, "gpu", inVram);
            yield return Memory(view, model, "cpu", Math.Max(0, size - inVram));
        }
    }

    private static Measurement<long> Memory(InstanceView view, LoadedModel model, string place, long bytes) => new(
        bytes,
        new KeyValuePair<string, object?>(TelemetryNames.InstanceLabel, view.Instance.Name),
        new KeyValuePair<string, object?>(TelemetryNames.ModelLabel, model.Key),
        new KeyValuePair<string, object?>(TelemetryNames.PlaceLabel, place));

    private static Measurement<int> Mismatch(DigestMismatch mismatch) => new(
        1,
        new KeyValuePair<string, object?>(TelemetryNames.InstanceLabel, mismatch.Instance.Name),
        new KeyValuePair<string, object?>(TelemetryNames.ModelLabel, mismatch.Model));

    private IEnumerable<Measurement<int>> Observe(Func<Instance, int> read) => _fleet.Current.Instances.Select(view =>
        new Measurement<int>(read(view.Instance), new KeyValuePair<string, object?>(TelemetryNames.InstanceLabel, view.Instance.Name)));
}

using System.Diagnostics.Metrics;
using OllamaBridge.Gateway.Telemetry;

namespace OllamaBridge.Gateway.Fleet.Gpu;

/// <summary>The instruments of GPUs. A value without a source has no series.</summary>
internal sealed class GpuMetrics : IHostedService
{
    public GpuMetrics(IMeterFactory meters, GpuWatch watch)
    {
        var meter = meters.Create(TelemetryNames.Meter);
        meter.CreateObservableGauge(TelemetryNames.GpuUtilization, () => Observe(watch, r => r.Utilization), null, "A GPU's utilization, 0 to 1.");
        meter.CreateObservableGauge(TelemetryNames.GpuMemoryUsed, () => Observe(watch, r => r.MemoryUsed), "By", "Used memory of a GPU.");
        meter.CreateObservableGauge(TelemetryNames.GpuMemoryTotal, () => Observe(watch, r => r.MemoryTotal), "By", "Total memory of a GPU.");
        meter.CreateObservableGauge(TelemetryNames.GpuTemperature, () => Observe(watch, r => r.Temperature), "Cel", "Temperature of a GPU.");
    }

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    private static IEnumerable<Measurement<T>> Observe<T>(GpuWatch watch, Func<GpuReading, T?> read)
        where T : struct
    {
        foreach (var (instance, reading) in watch.Readings)
            if (read(reading) is { } value)
                yield return new Measurement<T>(
                    value,
                    new KeyValuePair<string, object?>(TelemetryNames.InstanceLabel, instance),
                    new KeyValuePair<string, object?>(TelemetryNames.GpuLabel, reading.Gpu));
    }
}

using System.Diagnostics.Metrics;
using System.Reflection;

namespace OllamaBridge.Gateway.Telemetry;

internal sealed class BuildInfo : IHostedService
{
    private static readonly KeyValuePair<string, object?> Version = new(
        TelemetryNames.VersionLabel, typeof(BuildInfo).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0] ?? "");

    public BuildInfo(IMeterFactory meters) => meters.Create(TelemetryNames.Meter).CreateObservableGauge(
        TelemetryNames.BuildInfo, () => new Measurement<int>(1, Version), null, "Always 1; the label has the bridge's version.");

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}

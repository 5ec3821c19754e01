using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Globalization;
using Garnet.common;
using Garnet.server;

namespace OllamaBridge.StateServer;

/// <summary>Traces and metrics of the state server. Garnet itself exposes its statistics only through the INFO command.</summary>
internal sealed class StateTelemetry : IDisposable
{
    /// <summary>The name of the activity source and of the meter.</summary>
    public const string Name = "OllamaBridge.StateServer";

    private static readonly ActivitySource Source = new(Name);
    private readonly Meter _meter = new(Name);
    private volatile MetricsApi? _garnet;

    public StateTelemetry()
    {
        _meter.CreateObservableCounter("garnet.commands", () => Read(InfoMetricsType.STATS, "total_commands_processed"), "{command}", "Processed commands.");
        _meter.CreateObservableUpDownCounter("garnet.clients", () => Read(InfoMetricsType.STATS, "total_active_connections"), "{client}", "Connected clients.");
    }

    /// <summary>Starts a span. Returns null if no trace is recorded.</summary>
    public static Activity? Start(string name) => Source.StartActivity(name);

    /// <summary>Exports the statistics of a server; null to stop.</summary>
    public void Observe(MetricsApi? garnet) => _garnet = garnet;

    public void Dispose() => _meter.Dispose();

    private IEnumerable<Measurement<long>> Read(InfoMetricsType section, string name)
    {
        foreach (var item in _garnet?.GetInfoMetrics(section) ?? [])
            if (item.Name == name && long.TryParse(item.Value, NumberStyles.Integer, CultureInfo.InvariantCulture, out var value))
                yield return new Measurement<long>(value);
    }
}

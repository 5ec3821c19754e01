using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Settings;
using OpenTelemetry.Metrics;
using OpenTelemetry.Trace;

namespace OllamaBridge.Gateway.Telemetry;

internal static class TelemetryServiceCollectionExtensions
{
    /// <summary>Adds the export of the gateway's meter and spans, and Prometheus in addition to the exporters of the service defaults.</summary>
    public static IServiceCollection AddBridgeTelemetry(this IServiceCollection services)
    {
        services.AddHostedService<BuildInfo>();
        services.AddBridgeOptions<TracingOptions, TracingOptionsValidator>(TracingOptions.Section);
        services.ConfigureOpenTelemetryTracerProvider((provider, tracing) =>
        {
            if (string.IsNullOrEmpty(provider.GetRequiredService<IConfiguration>()["OTEL_TRACES_SAMPLER"]))
                tracing.SetSampler(new ParentBasedSampler(new TraceRateSampler(
                    provider.GetRequiredService<IOptions<TracingOptions>>().Value.TracesPerSecond, provider.GetRequiredService<TimeProvider>())));
        });
        services.AddBridgeOptions<MetricsOptions, MetricsOptionsValidator>(MetricsOptions.Section);
        services.ConfigureOpenTelemetryMeterProvider((provider, metrics) =>
        {
            if (provider.GetRequiredService<IOptions<MetricsOptions>>().Value.HttpRequests)
                return;
            // Recorded for each request; the gateway's own instruments have most of the same information.
            foreach (var instrument in TelemetryNames.HttpRequestInstruments)
                metrics.AddView(instrument, MetricStreamConfiguration.Drop);
        });
        services.AddOpenTelemetry().WithMetrics(metrics => metrics
            .AddMeter(TelemetryNames.Meter)
            // These names of .NET have endings that Prometheus reserves for parts of a histogram: `promtool check metrics` reports them.
            .AddView(TelemetryNames.RuntimeAssemblyCount, TelemetryNames.RuntimeAssemblies)
            .AddView(TelemetryNames.RuntimeProcessorCount, TelemetryNames.RuntimeProcessors)
            .AddView(TelemetryNames.RuntimeTimerCount, TelemetryNames.RuntimeTimers)
            // A bucket links to the trace of one of its requests, if that trace is kept.
            .SetExemplarFilter(ExemplarFilterType.TraceBased)
            .AddPrometheusExporter());
        return services;
    }
}

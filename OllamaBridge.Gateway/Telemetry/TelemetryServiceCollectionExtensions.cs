using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Telemetry.Gpu;
using OpenTelemetry.Metrics;
using OpenTelemetry.Trace;

namespace OllamaBridge.Gateway.Telemetry;

/// <summary>The gateway's telemetry.</summary>
internal static class TelemetryServiceCollectionExtensions
{
    /// <summary>Adds the gateway's instruments, and Prometheus beside whatever the service defaults export to.</summary>
    public static IServiceCollection AddBridgeTelemetry(this IServiceCollection services)
    {
        services.AddSingleton<BridgeMetrics>();
        services.AddHostedService<FleetMetrics>();
        services.AddBridgeOptions<GpuOptions, GpuOptionsValidator>(GpuOptions.Section);
        services.AddSingleton<IValidateOptions<GpuOptions>, GpuExportersValidator>();
        services.AddSingleton<IGpuSource, GpuSource>();
        services.AddSingleton<GpuWatch>();
        services.AddHostedService(provider => provider.GetRequiredService<GpuWatch>());
        services.AddHostedService<GpuMetrics>();
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
            // Recorded at each request; what most of them tell the own ones do, too.
            foreach (var instrument in TelemetryNames.HttpRequestInstruments)
                metrics.AddView(instrument, MetricStreamConfiguration.Drop);
        });
        services.AddOpenTelemetry().WithMetrics(metrics => metrics
            .AddMeter(TelemetryNames.Meter)
            // .NET's own whose names end as only a histogram's part may in Prometheus' format: `promtool check metrics` minds.
            .AddView(TelemetryNames.RuntimeAssemblyCount, TelemetryNames.RuntimeAssemblies)
            .AddView(TelemetryNames.RuntimeProcessorCount, TelemetryNames.RuntimeProcessors)
            .AddView(TelemetryNames.RuntimeTimerCount, TelemetryNames.RuntimeTimers)
            // A bucket names the trace of one that fell into it, where that trace is kept.
            .SetExemplarFilter(ExemplarFilterType.TraceBased)
            .AddPrometheusExporter());
        return services;
    }
}

using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Diagnostics.HealthChecks;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace OllamaBridge.ServiceDefaults;

/// <summary>Shared defaults of all services: telemetry, health endpoints, service discovery and HTTP resilience.</summary>
/// <remarks>Follows the structure of the .NET Aspire service-defaults template.</remarks>
public static class Extensions
{
    private const string HealthPath = "/health";
    private const string AlivePath = "/alive";
    private const string MetricsPath = "/metrics";
    private const string OperatorsPath = "/bridge";
    private const string LiveTag = "live";

    /// <summary>Adds telemetry, default health checks, service discovery and HTTP client defaults.</summary>
    /// <param name="builder">The application being built.</param>
    /// <returns>The same builder.</returns>
    public static TBuilder AddServiceDefaults<TBuilder>(this TBuilder builder)
        where TBuilder : IHostApplicationBuilder
    {
        builder.ConfigureOpenTelemetry();
        builder.AddDefaultHealthChecks();
        builder.Services.AddServiceDiscovery();
        builder.Services.ConfigureHttpClientDefaults(http =>
        {
            http.AddStandardResilienceHandler();
            http.AddServiceDiscovery();
        });
        return builder;
    }

    /// <summary>Adds OpenTelemetry logs, metrics and traces, exported by OTLP if <c>OTEL_EXPORTER_OTLP_ENDPOINT</c> is set.</summary>
    /// <param name="builder">The application being built.</param>
    /// <returns>The same builder.</returns>
    public static TBuilder ConfigureOpenTelemetry<TBuilder>(this TBuilder builder)
        where TBuilder : IHostApplicationBuilder
    {
        builder.Logging.AddOpenTelemetry(logging =>
        {
            logging.IncludeFormattedMessage = true;
            // No scopes: the trace that a log line refers to already has their values (connection, path), and a scope costs as much as the line.
        });
        builder.Services.AddOpenTelemetry().WithMetrics(metrics => metrics.AddRuntimeInstrumentation());
        // Without a name, OpenTelemetry reports unknown_service. An operator can set another name.
        if (string.IsNullOrEmpty(builder.Configuration["OTEL_SERVICE_NAME"])
            && builder.Configuration["OTEL_RESOURCE_ATTRIBUTES"]?.Contains("service.name=", StringComparison.Ordinal) != true)
            builder.Services.AddOpenTelemetry()
                .ConfigureResource(resource => resource.AddService(builder.Environment.ApplicationName, autoGenerateServiceInstanceId: false));

        // Without a receiver, record no spans and per-request framework metrics: they cost a fifth of a small request's processor time.
        if (string.IsNullOrWhiteSpace(builder.Configuration["OTEL_EXPORTER_OTLP_ENDPOINT"]))
            return builder;

        builder.Services.AddOpenTelemetry()
            .UseOtlpExporter()
            .WithMetrics(metrics => metrics
                .AddAspNetCoreInstrumentation()
                .AddHttpClientInstrumentation())
            .WithTracing(tracing => tracing
                .AddSource(builder.Environment.ApplicationName)
                .AddAspNetCoreInstrumentation(options =>
                    options.Filter = context => !context.Request.Path.StartsWithSegments(HealthPath)
                        && !context.Request.Path.StartsWithSegments(AlivePath)
                        && !context.Request.Path.StartsWithSegments(MetricsPath)
                        // The fleet page and the AppHost poll the operators' API every few seconds.
                        && !(HttpMethods.IsGet(context.Request.Method) && context.Request.Path.StartsWithSegments(OperatorsPath)))
                .AddHttpClientInstrumentation());
        return builder;
    }

    /// <summary>Adds the liveness check: the process responds.</summary>
    /// <param name="builder">The application being built.</param>
    /// <returns>The same builder.</returns>
    public static TBuilder AddDefaultHealthChecks<TBuilder>(this TBuilder builder)
        where TBuilder : IHostApplicationBuilder
    {
        builder.Services.AddHealthChecks().AddCheck("self", () => HealthCheckResult.Healthy(), [LiveTag]);
        return builder;
    }

    /// <summary>Maps <c>/health</c> (ready to serve: every check) and <c>/alive</c> (the process responds: checks tagged <c>live</c>).</summary>
    /// <param name="app">The application.</param>
    /// <param name="responseWriter">Writes the body of <c>/health</c>; by default the status as text.</param>
    /// <returns>The same application.</returns>
    public static WebApplication MapDefaultEndpoints(
        this WebApplication app,
        Func<Microsoft.AspNetCore.Http.HttpContext, HealthReport, Task>? responseWriter = null)
    {
        var ready = new HealthCheckOptions();
        if (responseWriter is not null)
            ready.ResponseWriter = responseWriter;
        app.MapHealthChecks(HealthPath, ready);
        app.MapHealthChecks(AlivePath, new HealthCheckOptions { Predicate = check => check.Tags.Contains(LiveTag) });
        return app;
    }
}

using System.Diagnostics;
using System.Diagnostics.Metrics;
using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace OllamaBridge.Simulator.Telemetry;

/// <summary>
/// Traces and metrics of simulated servers. A real Ollama server exports none; here they show where a request's time went. Without
/// <c>OTEL_EXPORTER_OTLP_ENDPOINT</c> nothing is created.
/// </summary>
internal sealed class SimulatorTelemetry : IDisposable
{
    /// <summary>The name of the activity source and of the meter.</summary>
    public const string Name = "OllamaBridge.Simulator";

    private const string EndpointVariable = "OTEL_EXPORTER_OTLP_ENDPOINT";
    private const int ShutdownMilliseconds = 1000;

    private static readonly ActivitySource Source = new(Name);

    private readonly Meter _meter = new(Name);
    private readonly TracerProvider _traces;
    private readonly MeterProvider _metrics;

    private SimulatorTelemetry(IReadOnlyList<SimulatedServer> servers)
    {
        Observe("ollama.simulator.requests", "{request}", "Requests that were answered by the model.", s => s.Statistics.Requests);
        Observe("ollama.simulator.tokens", "{token}", "Tokens that were generated.", s => s.Statistics.Tokens);
        Observe("ollama.simulator.loads", "{load}", "Model loads.", s => s.Statistics.Loads);
        _meter.CreateObservableUpDownCounter(
            "ollama.simulator.active_generations",
            () => servers.Select(s => Measure(s, s.Statistics.ActiveGenerations)), "{request}", "Generations that run now.");
        var resource = ResourceBuilder.CreateDefault().AddService(Name, autoGenerateServiceInstanceId: false).AddEnvironmentVariableDetector();
        _traces = Sdk.CreateTracerProviderBuilder().SetResourceBuilder(resource).AddSource(Name).AddOtlpExporter().Build();
        _metrics = Sdk.CreateMeterProviderBuilder().SetResourceBuilder(resource).AddMeter(Name).AddRuntimeInstrumentation().AddOtlpExporter().Build();

        void Observe(string name, string unit, string description, Func<SimulatedServer, long> value) =>
            _meter.CreateObservableCounter(name, () => servers.Select(s => Measure(s, value(s))), unit, description);
    }

    /// <summary>Starts the exporters if an OTLP endpoint is configured.</summary>
    /// <param name="servers">The exported servers.</param>
    /// <returns>Null without an endpoint.</returns>
    public static SimulatorTelemetry? Start(IReadOnlyList<SimulatedServer> servers) =>
        string.IsNullOrWhiteSpace(Environment.GetEnvironmentVariable(EndpointVariable)) ? null : new SimulatorTelemetry(servers);

    /// <summary>Starts the span of a request, as a child of the caller's <c>traceparent</c> (W3C Trace Context).</summary>
    /// <returns>Null if no trace is recorded.</returns>
    public static Activity? StartRequest(HttpContext context, SimulatedServer server)
    {
        if (!Source.HasListeners())
            return null;
        var headers = context.Request.Headers;
        _ = ActivityContext.TryParse(headers.TraceParent, headers.TraceState, isRemote: true, out var parent);
        var activity = Source.StartActivity($"{context.Request.Method} {context.Request.Path.Value}", ActivityKind.Server, parent);
        activity?.SetTag("http.request.method", context.Request.Method);
        activity?.SetTag("url.path", context.Request.Path.Value);
        activity?.SetTag("server.port", server.Url.Port);
        return activity;
    }

    /// <summary>Ends the span of a request.</summary>
    public static void EndRequest(Activity? activity, HttpContext context)
    {
        if (activity is null)
            return;
        activity.SetTag("http.response.status_code", context.Response.StatusCode);
        if (context.Response.StatusCode >= StatusCodes.Status500InternalServerError)
            activity.SetStatus(ActivityStatusCode.Error);
        activity.Dispose();
    }

    public void Dispose()
    {
        // A missing collector must not delay the end of the process.
        _traces.Shutdown(ShutdownMilliseconds);
        _metrics.Shutdown(ShutdownMilliseconds);
        _traces.Dispose();
        _metrics.Dispose();
        _meter.Dispose();
    }

    private static Measurement<long> Measure(SimulatedServer server, long value) =>
        new(value, new KeyValuePair<string, object?>("server.port", server.Url.Port));
}

using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Settings;

namespace OllamaBridge.Gateway.Telemetry;

/// <summary>The exported traces, if an exporter is configured: section <c>Bridge:Tracing</c>.</summary>
[RestartRequired]
internal sealed record TracingOptions
{
    public const string Section = "Bridge:Tracing";

    /// <summary>
    /// The maximum number of new traces per second; 0 for none. A trace that a client began does not count: the client's sampling decision
    /// applies. No effect if <c>OTEL_TRACES_SAMPLER</c> is set.
    /// </summary>
    [Range(0, 1_000_000)]
    public int TracesPerSecond { get; init; } = 50;
}

[OptionsValidator]
internal sealed partial class TracingOptionsValidator : IValidateOptions<TracingOptions>;

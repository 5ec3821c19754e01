using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Settings;

namespace OllamaBridge.Gateway.Telemetry;

/// <summary>Which traces are made, where they are sent anywhere: section <c>Bridge:Tracing</c>.</summary>
[RestartRequired]
internal sealed record TracingOptions
{
    public const string Section = "Bridge:Tracing";

    /// <summary>
    /// New traces a second, at most; 0 for none. Not counted are those that a client has begun: whether they are kept it has said itself.
    /// Holds where <c>OTEL_TRACES_SAMPLER</c> says nothing else.
    /// </summary>
    [Range(0, 1_000_000)]
    public int TracesPerSecond { get; init; } = 50;
}

[OptionsValidator]
internal sealed partial class TracingOptionsValidator : IValidateOptions<TracingOptions>;

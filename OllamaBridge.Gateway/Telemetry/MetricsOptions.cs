using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Settings;

namespace OllamaBridge.Gateway.Telemetry;

/// <summary>The exported metrics, if an exporter is configured: section <c>Bridge:Metrics</c>.</summary>
[RestartRequired]
internal sealed record MetricsOptions
{
    public const string Section = "Bridge:Metrics";

    /// <summary>
    /// Whether OTLP also exports the request metrics of ASP.NET Core and HttpClient (<c>http.server.request.duration</c>,
    /// <c>http.client.request.duration</c> …). The bridge's own metrics contain the same information and more.
    /// </summary>
    public bool HttpRequests { get; init; }
}

/// <summary>Accepts every value; an unreadable one is reported when the section is read.</summary>
internal sealed class MetricsOptionsValidator : IValidateOptions<MetricsOptions>
{
    public ValidateOptionsResult Validate(string? name, MetricsOptions options) => ValidateOptionsResult.Success;
}

using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Settings;

namespace OllamaBridge.Gateway.Telemetry;

/// <summary>Which metrics are made, where they are sent anywhere: section <c>Bridge:Metrics</c>.</summary>
[RestartRequired]
internal sealed record MetricsOptions
{
    public const string Section = "Bridge:Metrics";

    /// <summary>
    /// Whether ASP.NET Core's and HttpClient's own figures of each request (<c>http.server.request.duration</c>, <c>http.client.request.duration</c> …)
    /// are sent by OTLP beside the bridge's, which tell the same of every request and more.
    /// </summary>
    public bool HttpRequests { get; init; }
}

/// <summary>Both values are right; what is neither is found where the section is read.</summary>
internal sealed class MetricsOptionsValidator : IValidateOptions<MetricsOptions>
{
    /// <inheritdoc/>
    public ValidateOptionsResult Validate(string? name, MetricsOptions options) => ValidateOptionsResult.Success;
}

using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace OllamaBridge.Gateway.Shutdown;

/// <summary>Not ready from the signal to stop on: whoever divides requests over gateways leaves this one out.</summary>
internal sealed class StopHealthCheck(GracefulStop stop) : IHealthCheck
{
    /// <inheritdoc/>
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) =>
        Task.FromResult(stop.IsLeaving ? HealthCheckResult.Unhealthy("stops") : HealthCheckResult.Healthy("takes requests"));
}

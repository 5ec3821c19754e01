using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace OllamaBridge.Gateway.State;

/// <summary>Degraded while Redis does not answer, never worse: requests are served without it.</summary>
internal sealed class StateHealthCheck(StateConnection connection) : IHealthCheck
{
    /// <inheritdoc/>
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) => Task.FromResult(
        !connection.IsShared ? HealthCheckResult.Healthy("in this gateway's memory")
        : connection.IsHealthy ? HealthCheckResult.Healthy("shared")
        : HealthCheckResult.Degraded("Redis does not answer; this gateway goes on with what it knows"));
}

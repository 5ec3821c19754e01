using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace OllamaBridge.Gateway.Shutdown;

/// <summary>Unhealthy from the signal to stop on, so that load balancers stop sending requests to this gateway.</summary>
internal sealed class StopHealthCheck(GracefulStop stop) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) =>
        Task.FromResult(stop.IsLeaving ? HealthCheckResult.Unhealthy("stopping") : HealthCheckResult.Healthy("accepting requests"));
}

using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace OllamaBridge.Gateway.State;

/// <summary>Degraded while Redis is unavailable, but never unhealthy, because the gateway serves requests without it.</summary>
internal sealed class StateHealthCheck(StateConnection connection) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) =>
        Task.FromResult(Check());

    private HealthCheckResult Check()
    {
        if (!connection.IsShared)
            return HealthCheckResult.Healthy("in memory of this gateway");
        var lost = connection.Stores.Where(s => !s.IsHealthy).ToArray();
        if (connection.IsHealthy && lost.Length == 0)
            return HealthCheckResult.Healthy("shared");
        var without = string.Join("; ", lost.Select(s => $"{s.Name}: {s.OnLoss}"));
        return HealthCheckResult.Degraded(
            (connection.IsHealthy || connection.IsRefusing ? "Redis refuses scripts or writes" : "Redis does not respond")
            + (without.Length > 0 ? $"; {without}" : ""));
    }
}

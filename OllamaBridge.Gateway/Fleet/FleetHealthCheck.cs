using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace OllamaBridge.Gateway.Fleet;

/// <summary>Ready while one instance can be given work, or started for a request; degraded while some cannot.</summary>
internal sealed class FleetHealthCheck(IFleet fleet) : IHealthCheck
{
    /// <inheritdoc/>
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        var (instances, cold) = (fleet.Current.Instances, fleet.Current.Cold);
        var usable = instances.Count(i => i.IsUsable);
        var text = instances.Length == 0 && cold.IsEmpty
            ? "no instance is configured: set Bridge:Urls or Bridge:Instances:0:Url"
            : $"{usable} of {instances.Length} instances can be given work";
        return Task.FromResult(
            usable == 0 && !cold.IsEmpty ? HealthCheckResult.Degraded($"{text}; cold tiers have {cold.Length} models")
            : usable == 0 ? HealthCheckResult.Unhealthy(text)
            : usable < instances.Length ? HealthCheckResult.Degraded(text)
            : HealthCheckResult.Healthy(text));
    }
}

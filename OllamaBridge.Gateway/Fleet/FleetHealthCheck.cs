using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace OllamaBridge.Gateway.Fleet;

/// <summary>Ready while one instance can be given work, or started for a request; degraded while some cannot, or nobody tells whether they are all.</summary>
internal sealed class FleetHealthCheck(IFleet fleet, IInstanceSource source) : IHealthCheck
{
    /// <inheritdoc/>
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        // Who leaves is not missed.
        var instances = fleet.Current.Instances.Where(i => !i.IsLeaving).ToArray();
        var cold = fleet.Current.Cold;
        var usable = instances.Count(i => i.IsUsable);
        var problems = source.Problems;
        var text = instances.Length > 0 || !cold.IsEmpty ? $"{usable} of {instances.Length} instances can be given work"
            : source.IsSearching ? "no instance was found"
            : "no instance is configured: set Bridge:Urls or Bridge:Instances:0:Url";
        text = string.Join("; ", [text, .. cold.IsEmpty ? [] : (string[])[$"cold tiers have {cold.Length} models"], .. problems]);
        return Task.FromResult(
            usable == 0 && cold.IsEmpty ? HealthCheckResult.Unhealthy(text)
            : usable == 0 || usable < instances.Length || problems.Count > 0 ? HealthCheckResult.Degraded(text)
            : HealthCheckResult.Healthy(text));
    }
}

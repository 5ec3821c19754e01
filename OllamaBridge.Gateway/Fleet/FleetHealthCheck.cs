using Microsoft.Extensions.Diagnostics.HealthChecks;
using OllamaBridge.Gateway.Discovery;

namespace OllamaBridge.Gateway.Fleet;

/// <summary>Healthy if an instance can get requests, or can be started for one; degraded if some instances cannot, or if the list may be incomplete.</summary>
internal sealed class FleetHealthCheck(IFleet fleet, IInstanceSource source) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        // An instance that is shutting down by itself is not missing.
        var instances = fleet.Current.Instances.Where(i => !i.IsLeaving).ToArray();
        var cold = fleet.Current.Cold;
        var usable = instances.Count(i => i.IsUsable);
        var problems = source.Problems;
        var text = instances.Length > 0 || !cold.IsEmpty ? $"{usable} of {instances.Length} instances can serve requests"
            : source.IsSearching ? "no instance was found"
            : "no instance is configured: set Bridge:Urls or Bridge:Instances:0:Url";
        text = string.Join("; ", [text, .. cold.IsEmpty ? [] : (string[])[$"cold tiers have {cold.Length} models"], .. problems]);
        return Task.FromResult(
            usable == 0 && cold.IsEmpty ? HealthCheckResult.Unhealthy(text)
            : usable == 0 || usable < instances.Length || problems.Count > 0 ? HealthCheckResult.Degraded(text)
            : HealthCheckResult.Healthy(text));
    }
}

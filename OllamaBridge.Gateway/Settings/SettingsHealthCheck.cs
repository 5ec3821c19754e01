using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace OllamaBridge.Gateway.Settings;

/// <summary>Degraded while a change of the settings is rejected, or needs a restart.</summary>
internal sealed class SettingsHealthCheck(BridgeSettings settings) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        string[] parts =
        [
            .. settings.Refused is { Count: > 0 } refused
                ? (string[])[$"changed settings are refused, the old ones stay in effect: {string.Join(" ", refused)}"]
                : [],
            .. settings.Pending is { Count: > 0 } pending ? (string[])[$"restart needed for {string.Join(", ", pending)}"] : [],
        ];
        return Task.FromResult(parts.Length == 0 ? HealthCheckResult.Healthy() : HealthCheckResult.Degraded(string.Join("; ", parts)));
    }
}

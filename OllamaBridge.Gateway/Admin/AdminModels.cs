using System.Text.Json.Serialization;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Fleet.Breaker;
using OllamaBridge.Gateway.Telemetry;

namespace OllamaBridge.Gateway.Admin;

/// <summary>A model with restricted use on an instance.</summary>
/// <param name="Model">Name of the model.</param>
/// <param name="State">Restriction (<see cref="PlacementCondition"/>, in lower case).</param>
/// <param name="Seconds">Maximum remaining time in seconds; absent if it does not end by time alone.</param>
internal sealed record ConditionReport(string Model, string State, double? Seconds)
{
    /// <summary>Returns the restrictions on an instance; null for none.</summary>
    public static IReadOnlyList<ConditionReport>? Of(Instance instance, TimeProvider time)
    {
        ConditionReport[] reports =
        [
            .. PlacementReport.Of(instance, time.GetTimestamp()).Select(r => new ConditionReport(
                r.Model, Labels.Of(r.Condition), r.Left > 0 ? Math.Round(r.Left / (double)time.TimestampFrequency, 3) : null)),
        ];
        return reports.Length == 0 ? null : reports;
    }
}

/// <summary>The queue in the operators' API.</summary>
internal sealed record QueueReport(int Length, int Limit, IReadOnlyList<QueuedModel> Models);

/// <summary>The waiting requests for one model.</summary>
internal sealed record QueuedModel(
    string Model,
    int Waiting,
    double OldestSeconds,
    double? EstimatedWaitSeconds,
    IReadOnlyList<QueuedTenant> Tenants);

/// <summary>The waiting requests of one tenant, by priority.</summary>
internal sealed record QueuedTenant(string Tenant, int Interactive, int Batch);

/// <summary>The body of <c>/health</c>.</summary>
internal sealed record HealthSummary(string Status, IReadOnlyDictionary<string, string> Checks);

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    UseStringEnumConverter = true,
    RespectNullableAnnotations = true,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(IReadOnlyList<InstanceReport>))]
[JsonSerializable(typeof(InstanceReport))]
[JsonSerializable(typeof(NewInstance))]
[JsonSerializable(typeof(IReadOnlyList<TierReport>))]
[JsonSerializable(typeof(QueueReport))]
[JsonSerializable(typeof(HealthSummary))]
[JsonSerializable(typeof(IReadOnlyList<TenantReport>))]
[JsonSerializable(typeof(TenantReport))]
[JsonSerializable(typeof(TenantSettings))]
[JsonSerializable(typeof(NewKey))]
[JsonSerializable(typeof(Microsoft.AspNetCore.Mvc.ProblemDetails))]
internal sealed partial class AdminJson : JsonSerializerContext;

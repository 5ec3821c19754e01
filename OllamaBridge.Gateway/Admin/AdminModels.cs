using System.Text.Json.Serialization;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Fleet.Breaker;
using OllamaBridge.Gateway.Telemetry;

namespace OllamaBridge.Gateway.Admin;

/// <summary>A model on an instance that is not used like any other.</summary>
/// <param name="Model">Which.</param>
/// <param name="State">How it may be used (<see cref="PlacementCondition"/>, in lower case).</param>
/// <param name="Seconds">For how long at most that stays so; absent where time alone does not change it.</param>
internal sealed record ConditionReport(string Model, string State, double? Seconds)
{
    /// <summary>Those of an instance; null for none.</summary>
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

/// <summary>The queue as operators see it.</summary>
internal sealed record QueueReport(int Length, int Limit, IReadOnlyList<QueuedModel> Models);

/// <summary>What waits for one model.</summary>
internal sealed record QueuedModel(
    string Model,
    int Waiting,
    double OldestSeconds,
    double? EstimatedWaitSeconds,
    IReadOnlyList<QueuedTenant> Tenants);

/// <summary>What waits of one tenant, by class.</summary>
internal sealed record QueuedTenant(string Tenant, int Interactive, int Batch);

/// <summary>What <c>/health</c> says.</summary>
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

using System.Text.Json.Serialization;

namespace OllamaBridge.Gateway.Admin;

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
[JsonSerializable(typeof(QueueReport))]
[JsonSerializable(typeof(HealthSummary))]
[JsonSerializable(typeof(IReadOnlyList<TenantReport>))]
[JsonSerializable(typeof(TenantReport))]
[JsonSerializable(typeof(TenantSettings))]
[JsonSerializable(typeof(NewKey))]
[JsonSerializable(typeof(Microsoft.AspNetCore.Mvc.ProblemDetails))]
internal sealed partial class AdminJson : JsonSerializerContext;

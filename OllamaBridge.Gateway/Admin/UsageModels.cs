using System.Text.Json.Serialization;
using OllamaBridge.Gateway.Accounting;

namespace OllamaBridge.Gateway.Admin;

/// <summary>Usage: totals, sums by one dimension, and details.</summary>
/// <param name="Partial">Whether it covers only this gateway.</param>
/// <param name="Total">The sum of all rows.</param>
/// <param name="Tenants">Sums by tenant.</param>
/// <param name="Models">Sums by canonical model name.</param>
/// <param name="Days">Sums by day (UTC).</param>
/// <param name="Rows">Details.</param>
internal sealed record UsageReport(
    bool Partial,
    UsageSum Total,
    IReadOnlyDictionary<string, UsageSum> Tenants,
    IReadOnlyDictionary<string, UsageSum> Models,
    IReadOnlyDictionary<string, UsageSum> Days,
    IReadOnlyList<UsageRow> Rows);

/// <summary>Usage of one model by one tenant on one day.</summary>
internal sealed record UsageRow(string Day, string Tenant, string Model, long Requests, long Succeeded, long InputTokens, long OutputTokens);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(UsageReport))]
[JsonSerializable(typeof(IReadOnlyList<LedgerRecord>))]
internal sealed partial class UsageJson : JsonSerializerContext;

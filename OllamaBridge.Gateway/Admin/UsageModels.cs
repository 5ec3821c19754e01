using System.Text.Json.Serialization;
using OllamaBridge.Gateway.Accounting;

namespace OllamaBridge.Gateway.Admin;

/// <summary>What was used: altogether, by one thing at a time, and in detail.</summary>
/// <param name="Partial">Whether it is this gateway's part only.</param>
/// <param name="Total">Altogether.</param>
/// <param name="Tenants">By tenant.</param>
/// <param name="Models">By canonical model name.</param>
/// <param name="Days">By day (UTC).</param>
/// <param name="Rows">In detail.</param>
internal sealed record UsageReport(
    bool Partial,
    UsageSum Total,
    IReadOnlyDictionary<string, UsageSum> Tenants,
    IReadOnlyDictionary<string, UsageSum> Models,
    IReadOnlyDictionary<string, UsageSum> Days,
    IReadOnlyList<UsageRow> Rows);

/// <summary>What one tenant used of one model on one day.</summary>
internal sealed record UsageRow(string Day, string Tenant, string Model, long Requests, long Succeeded, long InputTokens, long OutputTokens);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(UsageReport))]
[JsonSerializable(typeof(IReadOnlyList<LedgerRecord>))]
internal sealed partial class UsageJson : JsonSerializerContext;

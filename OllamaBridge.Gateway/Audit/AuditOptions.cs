using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;

namespace OllamaBridge.Gateway.Audit;

/// <summary>Retention of the audit log: section <c>Bridge:Audit</c>.</summary>
internal sealed record AuditOptions
{
    public const string Section = "Bridge:Audit";

    /// <summary>Maximum number of entries. With shared state, it applies to the shared log and to the local log of each bridge.</summary>
    [Range(1, 1_000_000)]
    public int Entries { get; init; } = 10_000;

    /// <summary>
    /// Maximum number of stored entries per minute for refused or failed attempts and for unloads of models, per tenant and for all requests without a tenant.
    /// All are logged.
    /// </summary>
    [Range(0, 100_000)]
    public int AttemptsPerMinute { get; init; } = 60;
}

[OptionsValidator]
internal sealed partial class AuditOptionsValidator : IValidateOptions<AuditOptions>;

using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;

namespace OllamaBridge.Gateway.Audit;

/// <summary>How much is kept of the audit log: section <c>Bridge:Audit</c>.</summary>
internal sealed record AuditOptions
{
    public const string Section = "Bridge:Audit";

    /// <summary>Entries kept; if the state is shared, of all bridges together, and as many of its own by each.</summary>
    [Range(1, 1_000_000)]
    public int Entries { get; init; } = 10_000;

    /// <summary>Attempts that were not made, and unloads of models, that are kept each minute, of each tenant and of callers without a key. All are logged.</summary>
    [Range(0, 100_000)]
    public int AttemptsPerMinute { get; init; } = 60;
}

[OptionsValidator]
internal sealed partial class AuditOptionsValidator : IValidateOptions<AuditOptions>;

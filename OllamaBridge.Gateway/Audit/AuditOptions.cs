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

    /// <summary>Refused attempts without a valid key that are kept each minute. Each attempt is logged.</summary>
    [Range(0, 100_000)]
    public int UnauthenticatedPerMinute { get; init; } = 60;
}

[OptionsValidator]
internal sealed partial class AuditOptionsValidator : IValidateOptions<AuditOptions>;

using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Settings;

namespace OllamaBridge.Gateway.Accounting;

/// <summary>Retention of the ledger: section <c>Bridge:Ledger</c>.</summary>
[RestartRequired]
internal sealed record LedgerOptions
{
    public const string Section = "Bridge:Ledger";

    /// <summary>Maximum number of records. With shared state, it applies to the shared ledger and to the local ledger of each gateway.</summary>
    [Range(1, 10_000_000)]
    public int Records { get; init; } = 10_000;

    /// <summary>Number of days for which usage sums are kept, today included.</summary>
    [Range(1, 3660)]
    public int Days { get; init; } = 31;

    /// <summary>Maximum number of records that wait to be written to shared state; when it is full, the oldest record is dropped.</summary>
    [Range(1, 10_000_000)]
    public int Buffer { get; init; } = 100_000;
}

[OptionsValidator]
internal sealed partial class LedgerOptionsValidator : IValidateOptions<LedgerOptions>;

using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Settings;

namespace OllamaBridge.Gateway.Accounting;

/// <summary>How much is remembered of requests that have ended: section <c>Bridge:Ledger</c>.</summary>
[RestartRequired]
internal sealed record LedgerOptions
{
    public const string Section = "Bridge:Ledger";

    /// <summary>Records kept; where the state is shared, of all gateways together, and as many of its own by each.</summary>
    [Range(1, 10_000_000)]
    public int Records { get; init; } = 10_000;

    /// <summary>Days whose sums are kept, today included.</summary>
    [Range(1, 3660)]
    public int Days { get; init; } = 31;

    /// <summary>Records that may wait to be written where the state is shared; one more drops the oldest.</summary>
    [Range(1, 10_000_000)]
    public int Buffer { get; init; } = 100_000;
}

[OptionsValidator]
internal sealed partial class LedgerOptionsValidator : IValidateOptions<LedgerOptions>;

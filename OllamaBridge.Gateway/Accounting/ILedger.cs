using OllamaBridge.Gateway.Telemetry;

namespace OllamaBridge.Gateway.Accounting;

/// <summary>Keeps a record of each request that has ended, and what they come to.</summary>
internal interface ILedger
{
    /// <summary>Writes a record. Must not wait: it is called on the way out of a request.</summary>
    void Write(LedgerRecord record);

    /// <summary>The latest records, newest first.</summary>
    /// <param name="count">At most how many.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    ValueTask<LedgerReading<LedgerRecord>> LatestAsync(int count, CancellationToken cancellationToken);

    /// <summary>What was used, for each day, tenant and model, oldest day first.</summary>
    /// <param name="filter">Which of it.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    ValueTask<LedgerReading<UsageEntry>> UsageAsync(UsageFilter filter, CancellationToken cancellationToken);
}

/// <summary>What was read of a ledger.</summary>
/// <param name="Items">In order.</param>
/// <param name="IsPartial">Whether it is this gateway's part only, because all gateways' cannot be had.</param>
internal readonly record struct LedgerReading<T>(IReadOnlyList<T> Items, bool IsPartial = false);

/// <summary>A request that has ended. Never what was asked or answered.</summary>
/// <param name="Time">When it ended.</param>
/// <param name="Tenant">Whose it was.</param>
/// <param name="Operation">What was asked.</param>
/// <param name="Protocol">In whose way of speaking.</param>
/// <param name="Model">Canonical name; empty for none, <c>other</c> for one that the fleet does not have.</param>
/// <param name="Instance">Who answered; null for nobody.</param>
/// <param name="InputTokens">Tokens of the prompt, as the answer told.</param>
/// <param name="OutputTokens">Tokens of the answer; chunks where it did not tell.</param>
/// <param name="QueueSeconds">How long it waited for instances.</param>
/// <param name="FirstByteSeconds">From its arrival until an answer could be begun; null where none was.</param>
/// <param name="TotalSeconds">From its arrival to its end.</param>
/// <param name="Outcome">How it ended.</param>
/// <param name="Status">HTTP status; 499 where the client had gone before there was one.</param>
/// <param name="Attempts">How often it was sent.</param>
/// <param name="Interruptions">Why instances broke its answer off, in order; null for none. Whether it was gone on with, the outcome tells.</param>
/// <param name="RequestId">Its id (<c>X-Request-Id</c>); null in records of earlier versions.</param>
/// <param name="Key">The id of its API key; null for none.</param>
internal sealed record LedgerRecord(
    DateTimeOffset Time,
    string Tenant,
    string Operation,
    string Protocol,
    string Model,
    string? Instance,
    long InputTokens,
    long OutputTokens,
    double QueueSeconds,
    double? FirstByteSeconds,
    double TotalSeconds,
    string Outcome,
    int Status,
    int Attempts,
    IReadOnlyList<string>? Interruptions = null,
    string? RequestId = null,
    string? Key = null);

/// <summary>Which usage is wanted; null for all.</summary>
internal readonly record struct UsageFilter(string? Tenant, string? Model, DateOnly? Day)
{
    /// <summary>Whether a tenant's usage of a model is wanted.</summary>
    public bool Wants(string tenant, string model) => (Tenant is null || Tenant == tenant) && (Model is null || Model == model);
}

/// <summary>What one tenant used of one model on one day (UTC).</summary>
internal sealed record UsageEntry(DateOnly Day, string Tenant, string Model, UsageSum Sum);

/// <summary>A sum of records.</summary>
/// <param name="Requests">How many.</param>
/// <param name="Succeeded">Those of them that were answered.</param>
/// <param name="InputTokens">Tokens of prompts.</param>
/// <param name="OutputTokens">Tokens of answers.</param>
internal readonly record struct UsageSum(long Requests, long Succeeded, long InputTokens, long OutputTokens)
{
    private static readonly string Success = Labels.Of(CallOutcome.Succeeded);

    /// <summary>The sum of one record.</summary>
    public static UsageSum Of(LedgerRecord record) => new(1, record.Outcome == Success ? 1 : 0, record.InputTokens, record.OutputTokens);

    /// <summary>Adds.</summary>
    public static UsageSum operator +(UsageSum a, UsageSum b) => new(
        a.Requests + b.Requests, a.Succeeded + b.Succeeded, a.InputTokens + b.InputTokens, a.OutputTokens + b.OutputTokens);
}

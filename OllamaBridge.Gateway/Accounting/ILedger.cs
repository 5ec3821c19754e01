using OllamaBridge.Gateway.Telemetry;

namespace OllamaBridge.Gateway.Accounting;

/// <summary>Stores a record of each ended request, and usage sums per day.</summary>
internal interface ILedger
{
    /// <summary>Writes a record. Must not block: it is called at the end of each request.</summary>
    void Write(LedgerRecord record);

    /// <summary>Reads the latest records, newest first.</summary>
    ValueTask<LedgerReading<LedgerRecord>> LatestAsync(int count, CancellationToken cancellationToken);

    /// <summary>Reads the usage of each day, tenant and model, oldest day first.</summary>
    ValueTask<LedgerReading<UsageEntry>> UsageAsync(UsageFilter filter, CancellationToken cancellationToken);
}

/// <summary>The result of reading a ledger. Partial if it covers only this gateway because the shared ledger is unavailable.</summary>
internal readonly record struct LedgerReading<T>(IReadOnlyList<T> Items, bool IsPartial = false);

/// <summary>A record of an ended request. Never contains a prompt or response.</summary>
/// <param name="Time">Time of its end.</param>
/// <param name="Tenant">Id of the tenant.</param>
/// <param name="Operation">Name of the operation.</param>
/// <param name="Protocol">Label of the protocol.</param>
/// <param name="Model">Canonical model name; empty for none, <c>other</c> for a model that the fleet does not have.</param>
/// <param name="Instance">Instance that responded; null for none.</param>
/// <param name="InputTokens">Prompt tokens, as the response reports them.</param>
/// <param name="OutputTokens">Response tokens, as the response reports them, else the number of chunks.</param>
/// <param name="QueueSeconds">Time in the queue, in seconds.</param>
/// <param name="FirstByteSeconds">Time from arrival until the response could start, in seconds; null without a response.</param>
/// <param name="TotalSeconds">Time from arrival to end, in seconds.</param>
/// <param name="Outcome">Label of the <see cref="RequestOutcome"/>.</param>
/// <param name="Status">HTTP status; 499 if the client disconnected before the response started.</param>
/// <param name="Attempts">Number of attempts.</param>
/// <param name="Interruptions">Reasons of the interruptions of the response, in order; null for none. The outcome shows whether it was resumed.</param>
/// <param name="RequestId">Id of the request (<c>X-Request-Id</c>); null in records of earlier versions.</param>
/// <param name="Key">Id of the API key; null for none.</param>
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

/// <summary>Selects usage entries. A null member matches all; the day is in UTC.</summary>
internal readonly record struct UsageFilter(string? Tenant, string? Model, DateOnly? Day)
{
    public bool Wants(string tenant, string model) => (Tenant is null || Tenant == tenant) && (Model is null || Model == model);
}

/// <summary>Usage of one model by one tenant on one day (UTC).</summary>
internal sealed record UsageEntry(DateOnly Day, string Tenant, string Model, UsageSum Sum);

/// <summary>Totals over ledger records; <c>Succeeded</c> counts the requests with the outcome <see cref="RequestOutcome.Succeeded"/>.</summary>
internal readonly record struct UsageSum(long Requests, long Succeeded, long InputTokens, long OutputTokens)
{
    private static readonly string Success = Labels.Of(RequestOutcome.Succeeded);

    public static UsageSum Of(LedgerRecord record) => new(1, record.Outcome == Success ? 1 : 0, record.InputTokens, record.OutputTokens);

    public static UsageSum operator +(UsageSum a, UsageSum b) => new(
        a.Requests + b.Requests, a.Succeeded + b.Succeeded, a.InputTokens + b.InputTokens, a.OutputTokens + b.OutputTokens);
}

using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Accounting;
using OllamaBridge.Gateway.Telemetry;

namespace OllamaBridge.Gateway.State;

/// <summary>
/// The ledger of all gateways that share a Redis. A record is put into a buffer and remembered here as well: <see cref="LedgerWriter"/> carries
/// it on, and while Redis does not answer this gateway tells of its own part.
/// </summary>
/// <param name="store">Redis.</param>
/// <param name="own">This gateway's part.</param>
/// <param name="options">How much is kept.</param>
/// <param name="metrics">Counts what is dropped.</param>
/// <param name="logger">Says so.</param>
internal sealed class RedisLedger(
    RedisLedgerStore store, MemoryLedger own, IOptions<LedgerOptions> options, BridgeMetrics metrics, ILogger<RedisLedger> logger) : ILedger
{
    /// <summary>Where records go.</summary>
    public RedisLedgerStore Store => store;

    /// <summary>Records that are not there yet.</summary>
    public LedgerBuffer Buffer { get; } = new(options.Value.Buffer, metrics, logger);

    /// <inheritdoc/>
    public void Write(LedgerRecord record)
    {
        own.Write(record);
        Buffer.Add(record);
    }

    /// <inheritdoc/>
    public async ValueTask<LedgerReading<LedgerRecord>> LatestAsync(int count, CancellationToken cancellationToken) =>
        await store.LatestAsync(count, cancellationToken) is { } records
            ? new LedgerReading<LedgerRecord>(records)
            : await own.LatestAsync(count, cancellationToken) with { IsPartial = true };

    /// <inheritdoc/>
    public async ValueTask<LedgerReading<UsageEntry>> UsageAsync(UsageFilter filter, CancellationToken cancellationToken) =>
        await store.UsageAsync(filter, cancellationToken) is { } entries
            ? new LedgerReading<UsageEntry>(entries)
            : await own.UsageAsync(filter, cancellationToken) with { IsPartial = true };
}

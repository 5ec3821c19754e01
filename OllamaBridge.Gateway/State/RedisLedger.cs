using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Accounting;

namespace OllamaBridge.Gateway.State;

/// <summary>The ledger of all gateways with the same Redis. Records also go to the local ledger, which serves reads while Redis is unavailable.</summary>
internal sealed class RedisLedger(
    RedisLedgerStore store, MemoryLedger own, IOptions<LedgerOptions> options, StateMetrics metrics, ILogger<RedisLedger> logger) : ILedger
{
    public RedisLedgerStore Store => store;

    public LedgerBuffer Buffer { get; } = new(options.Value.Buffer, metrics, logger);

    public void Write(LedgerRecord record)
    {
        own.Write(record);
        Buffer.Add(record);
    }

    public async ValueTask<LedgerReading<LedgerRecord>> LatestAsync(int count, CancellationToken cancellationToken) =>
        await store.LatestAsync(count, cancellationToken) is { } records
            ? new LedgerReading<LedgerRecord>(records)
            : await own.LatestAsync(count, cancellationToken) with { IsPartial = true };

    public async ValueTask<LedgerReading<UsageEntry>> UsageAsync(UsageFilter filter, CancellationToken cancellationToken) =>
        await store.UsageAsync(filter, cancellationToken) is { } entries
            ? new LedgerReading<UsageEntry>(entries)
            : await own.UsageAsync(filter, cancellationToken) with { IsPartial = true };
}

using OllamaBridge.Gateway.Accounting;

namespace OllamaBridge.Gateway.State;

/// <summary>Writes records to Redis: at once if no write is running, else in batches. A batch keeps its number, so that Redis applies it once.</summary>
internal sealed class LedgerWriter(ILedger ledger, StateMetrics metrics, TimeProvider time, ILogger<LedgerWriter> logger) : BatchWriter(time)
{
    private const int MaxBatch = 256;
    // Fifty batches per second cost Redis and the gateway less than thousands of single records.
    private static readonly TimeSpan GatherTime = TimeSpan.FromMilliseconds(20);
    private readonly RedisLedger? _shared = ledger as RedisLedger;
    private readonly LedgerBatch _batch = new();

    protected override bool IsEnabled => _shared is not null;

    protected override bool IsHealthy => _shared!.Store.IsHealthy;

    protected override TimeSpan StopPatience => TimeSpan.FromSeconds(5);

    protected override TimeSpan PauseAfterBatch => _batch.Count < MaxBatch ? GatherTime : TimeSpan.Zero;

    protected override int Unwritten => _batch.Count + _shared!.Buffer.Count;

    protected override bool Fill()
    {
        if (_batch.Count > 0)
            return true;
        while (_batch.Count < MaxBatch && _shared!.Buffer.TryTake(out var record))
            _batch.Add(record);
        return _batch.Count > 0;
    }

    protected override async Task WaitForItemsAsync(CancellationToken cancellationToken) => await _shared!.Buffer.WaitAsync(cancellationToken);

    protected override async ValueTask<bool> TryWriteAsync(CancellationToken cancellationToken)
    {
        if (!await _shared!.Store.TryWriteAsync(_batch, cancellationToken))
            return false;
        _batch.Clear();
        _shared.Buffer.NoteWritten();
        return true;
    }

    protected override void ReportUnwritten(int count)
    {
        metrics.RecordLedgerDropped(count);
        StateLog.LedgerUnwritten(logger, count);
    }
}

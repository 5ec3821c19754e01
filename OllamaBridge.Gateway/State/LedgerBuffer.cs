using System.Diagnostics.CodeAnalysis;
using System.Threading.Channels;
using OllamaBridge.Gateway.Accounting;

namespace OllamaBridge.Gateway.State;

/// <summary>A bounded buffer of records for the shared ledger. Adding never blocks; if it is full, the oldest record is dropped and counted.</summary>
internal sealed class LedgerBuffer
{
    private readonly Channel<LedgerRecord> _records;
    private readonly StateMetrics _metrics;
    private readonly ILogger _logger;
    private int _isFull;

    public LedgerBuffer(int size, StateMetrics metrics, ILogger logger)
    {
        _metrics = metrics;
        _logger = logger;
        _records = Channel.CreateBounded<LedgerRecord>(
            new BoundedChannelOptions(size) { FullMode = BoundedChannelFullMode.DropOldest, SingleReader = true }, Drop);
    }

    public int Count => _records.Reader.Count;

    public void Add(LedgerRecord record) => _records.Writer.TryWrite(record);

    public bool TryTake([NotNullWhen(true)] out LedgerRecord? record) => _records.Reader.TryRead(out record);

    public async ValueTask WaitAsync(CancellationToken cancellationToken) => await _records.Reader.WaitToReadAsync(cancellationToken);

    /// <summary>Signals a successful write. Once the buffer is empty, the next overflow is logged again.</summary>
    public void NoteWritten()
    {
        if (Volatile.Read(ref _isFull) != 0 && Count == 0)
            Volatile.Write(ref _isFull, 0);
    }

    private void Drop(LedgerRecord record)
    {
        _metrics.RecordLedgerDropped(1);
        if (Volatile.Read(ref _isFull) == 0 && Interlocked.Exchange(ref _isFull, 1) == 0)
            StateLog.LedgerFull(_logger);
    }
}

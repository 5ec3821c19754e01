using System.Diagnostics.CodeAnalysis;
using System.Threading.Channels;
using OllamaBridge.Gateway.Accounting;
using OllamaBridge.Gateway.Telemetry;

namespace OllamaBridge.Gateway.State;

/// <summary>Records on their way to the shared ledger: bounded, and nobody waits for it. What is too much is dropped, oldest first, and counted.</summary>
internal sealed class LedgerBuffer
{
    private readonly Channel<LedgerRecord> _records;
    private readonly BridgeMetrics _metrics;
    private readonly ILogger _logger;
    private int _isFull;

    /// <param name="size">Records that may wait.</param>
    /// <param name="metrics">Counts what is dropped.</param>
    /// <param name="logger">Told once that something is dropped.</param>
    public LedgerBuffer(int size, BridgeMetrics metrics, ILogger logger)
    {
        _metrics = metrics;
        _logger = logger;
        _records = Channel.CreateBounded<LedgerRecord>(
            new BoundedChannelOptions(size) { FullMode = BoundedChannelFullMode.DropOldest, SingleReader = true }, Drop);
    }

    /// <summary>How many wait.</summary>
    public int Count => _records.Reader.Count;

    /// <summary>Adds a record.</summary>
    public void Add(LedgerRecord record) => _records.Writer.TryWrite(record);

    /// <summary>Takes the oldest.</summary>
    public bool TryTake([NotNullWhen(true)] out LedgerRecord? record) => _records.Reader.TryRead(out record);

    /// <summary>Waits until there is one.</summary>
    public async ValueTask WaitAsync(CancellationToken cancellationToken) => await _records.Reader.WaitToReadAsync(cancellationToken);

    /// <summary>What waited has been written: the next time that too much waits is told again.</summary>
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

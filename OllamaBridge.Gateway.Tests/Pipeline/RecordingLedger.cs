using System.Collections.Concurrent;
using OllamaBridge.Gateway.Accounting;

namespace OllamaBridge.Gateway.Tests.Pipeline;

/// <summary>Keeps all records.</summary>
internal sealed class RecordingLedger : ILedger
{
    private readonly ConcurrentQueue<LedgerRecord> _records = new();

    public IReadOnlyList<LedgerRecord> Records => [.. _records];

    public void Write(LedgerRecord record) => _records.Enqueue(record);

    public ValueTask<LedgerReading<LedgerRecord>> LatestAsync(int count, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask<LedgerReading<UsageEntry>> UsageAsync(UsageFilter filter, CancellationToken cancellationToken) => throw new NotSupportedException();
}

using OllamaBridge.Gateway.Audit;

namespace OllamaBridge.Gateway.State;

/// <summary>Writes audit entries to Redis. Idle if the state is not shared.</summary>
internal sealed class AuditWriter(IAuditStore store, TimeProvider time, ILogger<AuditWriter> logger) : BatchWriter(time)
{
    private const int MaxBatch = 64;
    private readonly RedisAuditStore? _shared = store as RedisAuditStore;
    private readonly List<AuditEntry> _batch = new(MaxBatch);

    protected override bool IsEnabled => _shared is not null;

    protected override bool IsHealthy => _shared!.IsHealthy;

    protected override TimeSpan StopPatience => TimeSpan.FromSeconds(3);

    protected override int Unwritten => _batch.Count + _shared!.Waiting.Count;

    protected override bool Fill()
    {
        if (_batch.Count > 0)
            return true;
        while (_batch.Count < MaxBatch && _shared!.Waiting.TryRead(out var entry))
            _batch.Add(entry);
        return _batch.Count > 0;
    }

    protected override Task WaitForItemsAsync(CancellationToken cancellationToken) => _shared!.Waiting.WaitToReadAsync(cancellationToken).AsTask();

    protected override async ValueTask<bool> TryWriteAsync(CancellationToken cancellationToken)
    {
        if (!await _shared!.TryWriteAsync(_batch, cancellationToken))
            return false;
        _batch.Clear();
        return true;
    }

    protected override void ReportUnwritten(int count) => StateLog.AuditUnwritten(logger, count);
}

using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Audit;

namespace OllamaBridge.Gateway.State;

/// <summary>The latest audit entries of one bridge; gone when it stops.</summary>
internal sealed class MemoryAuditStore(IOptions<AuditOptions> options) : IAuditStore
{
    private readonly Lock _lock = new();
    private readonly Queue<AuditEntry> _entries = new();

    public void Write(AuditEntry entry)
    {
        lock (_lock)
        {
            _entries.Enqueue(entry);
            if (_entries.Count > options.Value.Entries)
                _entries.Dequeue();
        }
    }

    public ValueTask<AuditReading> ReadAsync(AuditFilter filter, CancellationToken cancellationToken)
    {
        lock (_lock)
            return ValueTask.FromResult(filter.Choose(_entries));
    }
}

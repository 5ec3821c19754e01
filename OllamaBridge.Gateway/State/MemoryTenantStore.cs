using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.State;

/// <summary>Keeps tenants as long as the process lives.</summary>
internal sealed class MemoryTenantStore(bool isShared = false) : ITenantStore
{
    private readonly Lock _lock = new();
    private TenantList _list = new(TenantVersion.None, []);

    public bool IsShared => isShared;

    public ValueTask<TenantReading> ReadAsync(TenantVersion? known, CancellationToken cancellationToken)
    {
        lock (_lock)
            return ValueTask.FromResult(new TenantReading(true, known == _list.Version ? null : _list));
    }

    public ValueTask<TenantWriting> ReplaceAsync(TenantVersion known, string id, TenantRecord? tenant, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (_list.Version != known)
                return ValueTask.FromResult(new TenantWriting(WriteOutcome.Conflict));
            _list = _list.With(known.Next(), id, tenant);
            return ValueTask.FromResult(new TenantWriting(WriteOutcome.Done, _list.Version));
        }
    }
}

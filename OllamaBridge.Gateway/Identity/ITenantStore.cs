using System.Collections.Concurrent;

namespace OllamaBridge.Gateway.Identity;

/// <summary>Keeps the tenants that operators made through the API. Asked at start and on changes, never on a request's way.</summary>
internal interface ITenantStore
{
    /// <summary>All tenants.</summary>
    Task<IReadOnlyList<TenantRecord>> LoadAsync(CancellationToken cancellationToken);

    /// <summary>Keeps a tenant, in place of the one with its id.</summary>
    Task SaveAsync(TenantRecord tenant, CancellationToken cancellationToken);

    /// <summary>Forgets a tenant.</summary>
    Task RemoveAsync(string id, CancellationToken cancellationToken);
}

/// <summary>Keeps them as long as the process lives.</summary>
internal sealed class MemoryTenantStore : ITenantStore
{
    private readonly ConcurrentDictionary<string, TenantRecord> _tenants = new(StringComparer.Ordinal);

    /// <inheritdoc/>
    public Task<IReadOnlyList<TenantRecord>> LoadAsync(CancellationToken cancellationToken) =>
        Task.FromResult<IReadOnlyList<TenantRecord>>([.. _tenants.Values]);

    /// <inheritdoc/>
    public Task SaveAsync(TenantRecord tenant, CancellationToken cancellationToken)
    {
        _tenants[tenant.Id] = tenant;
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task RemoveAsync(string id, CancellationToken cancellationToken)
    {
        _tenants.TryRemove(id, out _);
        return Task.CompletedTask;
    }
}

using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Queueing;

/// <summary>A tenant's requests in the queue, over all models, without retries. Promoted batch requests count as <paramref name="Interactive"/>.</summary>
internal readonly record struct TenantWaiting(string Tenant, int Interactive, int Batch)
{
    public int All => Interactive + Batch;
}

/// <summary>Selects the request to shed when the queue is full. Pure.</summary>
internal static class LoadSheddingPolicy
{
    /// <summary>
    /// A new interactive request replaces a batch request of the tenant with the most waiting requests. Otherwise, if its tenant has less than its share
    /// of the queue (the length divided by the number of waiting tenants, including its own), the new request replaces one of the tenant with the most
    /// waiting requests, if that tenant exceeds its share; a batch request replaces only batch requests. Otherwise the new request is refused.
    /// </summary>
    /// <returns>The tenant and class whose latest request is shed; null to refuse the new request.</returns>
    public static (string Tenant, Priority Class)? Choose(ReadOnlySpan<TenantWaiting> waiting, int length, string newcomer, Priority priority)
    {
        TenantWaiting? most = null, mostWithBatch = null;
        TenantWaiting own = default;
        var tenants = 1;
        foreach (var tenant in waiting)
        {
            if (tenant.Tenant == newcomer)
                own = tenant;
            else if (tenant.All > 0)
                tenants++;
            if (tenant.Batch > 0 && tenant.All > (mostWithBatch?.All ?? 0))
                mostWithBatch = tenant;
            if (tenant.Tenant != newcomer && tenant.All > (most?.All ?? 0) && (priority == Priority.Interactive || tenant.Batch > 0))
                most = tenant;
        }

        if (priority == Priority.Interactive && mostWithBatch is { } batch)
            return (batch.Tenant, Priority.Batch);
        var part = (double)length / tenants;
        if (most is not { } heaviest || own.All + 1 > part || heaviest.All <= part)
            return null;
        return (heaviest.Tenant, heaviest.Batch > 0 ? Priority.Batch : Priority.Interactive);
    }
}

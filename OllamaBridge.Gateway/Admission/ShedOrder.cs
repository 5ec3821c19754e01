using OllamaBridge.Gateway.Identity;

namespace OllamaBridge.Gateway.Admission;

/// <summary>What a tenant has in the queue, over all models; requests that are sent again are not counted.</summary>
/// <param name="Tenant">Whose.</param>
/// <param name="Interactive">How many wait as interactive ones.</param>
/// <param name="Batch">How many wait as batch.</param>
internal readonly record struct TenantWaiting(string Tenant, int Interactive, int Batch)
{
    /// <summary>All.</summary>
    public int All => Interactive + Batch;
}

/// <summary>Who must go where the queue is full and somebody comes. Pure.</summary>
internal static class ShedOrder
{
    /// <summary>
    /// An interactive newcomer takes the place of a batch request of the tenant that has the most waiting. Else a newcomer whose tenant
    /// holds less than its part (the queue's length over the tenants that wait, its own included) takes one of the tenant that holds
    /// the most, if that is more than its part; batch only from batch. Else the newcomer itself goes.
    /// </summary>
    /// <param name="waiting">Who waits.</param>
    /// <param name="length">How many may wait.</param>
    /// <param name="newcomer">Who comes.</param>
    /// <param name="priority">The newcomer's class.</param>
    /// <returns>Of whom, and of which class, the youngest must go; null: the newcomer.</returns>
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

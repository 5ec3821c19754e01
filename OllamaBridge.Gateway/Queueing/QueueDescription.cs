using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Queueing;

/// <summary><paramref name="Model"/> is empty for requests that any instance can serve; <paramref name="Oldest"/> is the longest wait so far.</summary>
internal readonly record struct QueueEntry(string Model, int Waiting, TimeSpan Oldest);

/// <summary>The requests that wait for one model, by tenant and class. Retries are in <paramref name="Entry"/> only.</summary>
internal sealed record QueueDescription(QueueEntry Entry, IReadOnlyList<TenantWaiting> Tenants, TimeSpan? EstimatedWait)
{
    /// <summary>Describes a queue. Call it under the queue's lock.</summary>
    public static QueueDescription Of(ModelQueue queue, Func<long, TimeSpan> elapsed, TimeSpan? estimatedWait)
    {
        var oldest = Math.Min(queue[Priority.Interactive].OldestSince(), queue[Priority.Batch].OldestSince());
        foreach (var waiter in queue.Front)
            oldest = Math.Min(oldest, waiter.Since);
        var tenants = new SortedDictionary<string, TenantWaiting>(StringComparer.Ordinal);
        foreach (var line in queue[Priority.Interactive].Lines)
            tenants[line.Tokens.Tenant] = new TenantWaiting(line.Tokens.Tenant, line.Waiting, 0);
        foreach (var line in queue[Priority.Batch].Lines)
            tenants[line.Tokens.Tenant] = new TenantWaiting(
                line.Tokens.Tenant, tenants.TryGetValue(line.Tokens.Tenant, out var known) ? known.Interactive : 0, line.Waiting);
        return new QueueDescription(new QueueEntry(queue.Key.Model, queue.Count, elapsed(oldest)), [.. tenants.Values], estimatedWait);
    }

    /// <summary>The number of waiting requests by model and tenant. The tenant is empty for retries.</summary>
    public static IReadOnlyList<(string Model, string Tenant, int Waiting)> Lines(IReadOnlyList<QueueDescription> queues)
    {
        var lines = new Dictionary<(string Model, string Tenant), int>();
        foreach (var (entry, tenants, _) in queues)
        {
            var rest = entry.Waiting;
            foreach (var tenant in tenants)
            {
                var waiting = tenant.Interactive + tenant.Batch;
                Add(entry.Model, tenant.Tenant, waiting);
                rest -= waiting;
            }

            Add(entry.Model, "", rest);
        }

        return [.. lines.Select(l => (l.Key.Model, l.Key.Tenant, l.Value))];

        void Add(string model, string tenant, int waiting)
        {
            if (waiting > 0)
                lines[(model, tenant)] = lines.GetValueOrDefault((model, tenant)) + waiting;
        }
    }
}

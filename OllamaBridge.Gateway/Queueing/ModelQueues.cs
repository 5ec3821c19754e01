using System.Collections.Concurrent;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Queueing;

/// <summary>The queues of all models, and the order among them.</summary>
/// <remarks>Guarded by the lock of <see cref="RequestQueue"/>, except <see cref="Count"/>, <see cref="Get"/> and <see cref="Find"/>.</remarks>
internal sealed class ModelQueues
{
    // All models that were requested and still exist.
    private readonly ConcurrentDictionary<QueueKey, ModelQueue> _queues = new();
    private int _count;

    public int Count => Volatile.Read(ref _count);

    public List<ModelQueue> Busy { get; } = [];

    public ModelQueue Get(in QueueKey key) => _queues.TryGetValue(key, out var queue) ? queue : _queues.GetOrAdd(key, static k => new ModelQueue(k));

    public ModelQueue? Find(in QueueKey key) => _queues.GetValueOrDefault(key);

    /// <returns>Whether it is the only waiting request.</returns>
    public bool Add(Waiter waiter)
    {
        if (waiter.Queue.Count == 0)
            Busy.Add(waiter.Queue);
        waiter.Queue.Add(waiter);
        waiter.Model.AddWaiting(1);
        return Interlocked.Increment(ref _count) == 1;
    }

    public void Remove(Waiter waiter)
    {
        waiter.Queue.Remove(waiter);
        if (waiter.Queue.Count == 0)
            Busy.Remove(waiter.Queue);
        waiter.Model.AddWaiting(-1);
        Interlocked.Decrement(ref _count);
    }

    /// <summary>Of the models whose next request has not been tried, selects the one whose next request arrived first.</summary>
    public ModelQueue? FirstUntried()
    {
        ModelQueue? first = null;
        foreach (var queue in Busy)
            if (queue is { Blocked: null, Next: { } next } && (first is null || next.Order < first.Next!.Order))
                first = queue;
        return first;
    }

    public Waiter? Youngest(string tenant, Priority priority)
    {
        Waiter? youngest = null;
        foreach (var queue in Busy)
            if (queue[priority].Youngest(tenant) is { } waiter && (youngest is null || waiter.Order > youngest.Order))
                youngest = waiter;
        return youngest;
    }

    public TenantWaiting[] CountByTenant()
    {
        var tenants = new Dictionary<string, TenantWaiting>(StringComparer.Ordinal);
        foreach (var queue in Busy)
            for (var priority = Priority.Interactive; priority <= Priority.Batch; priority++)
                foreach (var line in queue[priority].Lines)
                {
                    var known = tenants.GetValueOrDefault(line.Tokens.Tenant) with { Tenant = line.Tokens.Tenant };
                    tenants[line.Tokens.Tenant] = priority == Priority.Batch
                        ? known with { Batch = known.Batch + line.Waiting }
                        : known with { Interactive = known.Interactive + line.Waiting };
                }

        return [.. tenants.Values];
    }

    public bool HasObsolete(FleetSnapshot fleet) => _queues.Count > fleet.Models.Count + 1;

    public void DropObsolete(FleetSnapshot fleet)
    {
        foreach (var (key, queue) in _queues)
            if (key.Model.Length > 0 && queue.Count == 0 && !fleet.Models.ContainsKey(key.Model))
                _queues.TryRemove(key, out _);
    }
}

using Microsoft.Extensions.Options;

namespace OllamaBridge.Gateway.Fleet.Regions;

/// <summary>Maps conversations to the peer region of their last turn. Local to each gateway, bounded by least recent use. Thread-safe.</summary>
internal sealed class ConversationRegions(IOptions<RegionOptions> options, TimeProvider time)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<(ulong Affinity, string Model), LinkedListNode<Home>> _homes = [];
    // Least recently used first.
    private readonly LinkedList<Home> _byAge = new();

    /// <summary>Null for this region. <paramref name="affinity"/> is the hash of the conversation's beginning.</summary>
    public string? Find(ulong affinity, string model)
    {
        lock (_lock)
        {
            Expire();
            return _homes.TryGetValue((affinity, model), out var node) ? node.Value.Region : null;
        }
    }

    public void Note(ulong affinity, string model, string region)
    {
        lock (_lock)
        {
            Expire();
            Remove((affinity, model));
            // More than one if the setting was lowered.
            while (_homes.Count >= options.Value.MaxConversations)
                Remove(_byAge.First!.Value.Key);
            _homes[(affinity, model)] = _byAge.AddLast(new Home((affinity, model), region, time.GetTimestamp()));
        }
    }

    public void Forget(ulong affinity, string model)
    {
        lock (_lock)
            Remove((affinity, model));
    }

    private void Expire()
    {
        while (_byAge.First is { } oldest && time.GetElapsedTime(oldest.Value.At) >= options.Value.ConversationMemory)
            Remove(oldest.Value.Key);
    }

    private void Remove((ulong Affinity, string Model) key)
    {
        if (_homes.Remove(key, out var node))
            _byAge.Remove(node);
    }

    private readonly record struct Home((ulong Affinity, string Model) Key, string Region, long At);
}

using Microsoft.Extensions.Options;

namespace OllamaBridge.Gateway.Regions;

/// <summary>Which conversations are at home with a peer, because a turn of theirs was answered there. Bounded: the oldest is forgotten first.</summary>
/// <remarks>Each gateway's own. What it does not know is at home here.</remarks>
internal sealed class ConversationHomes(IOptions<RegionOptions> options, TimeProvider time)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<(ulong Affinity, string Model), LinkedListNode<Home>> _homes = [];
    // The one that has gone without a turn for longest first.
    private readonly LinkedList<Home> _byAge = new();

    /// <summary>Finds a conversation's region.</summary>
    /// <param name="affinity">Hash of its beginning.</param>
    /// <param name="model">Canonical name.</param>
    /// <returns>Null where it is at home here.</returns>
    public string? Find(ulong affinity, string model)
    {
        lock (_lock)
        {
            Expire();
            return _homes.TryGetValue((affinity, model), out var node) ? node.Value.Region : null;
        }
    }

    /// <summary>A turn was given to a peer.</summary>
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

    /// <summary>A turn was given to an instance here: from now on it is at home here.</summary>
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

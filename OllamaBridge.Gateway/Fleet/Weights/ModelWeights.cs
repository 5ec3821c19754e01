using System.Collections.Concurrent;

namespace OllamaBridge.Gateway.Fleet.Weights;

/// <summary>Models with different digests that share one runner on a server: names created from one base. A key never changes. Thread-safe.</summary>
internal sealed class ModelWeights
{
    // More than any fleet has; above that, the keys are cleared and read again.
    private const int MaxDigests = 4096;
    private readonly ConcurrentDictionary<string, string?> _keys = new(StringComparer.Ordinal);
    // Fast path: most fleets have no such names, and each snapshot looks up every model.
    private volatile bool _hasKeys;

    /// <returns>The digest itself if the runner's key is unknown.</returns>
    public string KeyOf(string digest) => (_hasKeys ? _keys.GetValueOrDefault(digest) : null) ?? digest;

    public bool Contains(string digest) => _keys.ContainsKey(digest);

    /// <param name="key">The key of its runner (<see cref="RunnerKey"/>); null if unknown.</param>
    public void Add(string digest, string? key)
    {
        if (_keys.Count >= MaxDigests)
            _keys.Clear();
        _keys[digest] = key;
        _hasKeys |= key is not null;
    }
}

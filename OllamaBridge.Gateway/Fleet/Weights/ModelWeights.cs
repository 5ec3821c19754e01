using System.Collections.Concurrent;

namespace OllamaBridge.Gateway.Fleet.Weights;

/// <summary>Models with different digests that share one runner on a server: names created from one base. Thread-safe.</summary>
/// <remarks>A digest identifies a model's whole manifest, so a key is valid for all instances and never changes.</remarks>
internal sealed class ModelWeights
{
    // More than any fleet has; above that, the keys are cleared and read again.
    private const int MaxDigests = 4096;
    private readonly ConcurrentDictionary<string, string?> _keys = new(StringComparer.Ordinal);
    // Fast path: most fleets have no such names, and each snapshot looks up every model.
    private volatile bool _hasKeys;

    /// <summary>The key that all models of one runner share.</summary>
    /// <param name="digest">A model's digest.</param>
    /// <returns>The digest itself if the runner's key is unknown.</returns>
    public string KeyOf(string digest) => (_hasKeys ? _keys.GetValueOrDefault(digest) : null) ?? digest;

    public bool Contains(string digest) => _keys.ContainsKey(digest);

    /// <summary>Adds a model that was read.</summary>
    /// <param name="digest">Its digest.</param>
    /// <param name="key">The key of its runner (<see cref="RunnerKey"/>); null if unknown.</param>
    public void Add(string digest, string? key)
    {
        if (_keys.Count >= MaxDigests)
            _keys.Clear();
        _keys[digest] = key;
        _hasKeys |= key is not null;
    }
}

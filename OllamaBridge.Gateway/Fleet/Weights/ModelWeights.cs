using System.Collections.Concurrent;

namespace OllamaBridge.Gateway.Fleet.Weights;

/// <summary>Which models are one runner at a server although their digests differ: names that were created from one base. Thread-safe.</summary>
/// <remarks>A digest names a model's whole manifest, so that a key holds for all instances and never changes.</remarks>
internal sealed class ModelWeights
{
    // More models than fleets have; beyond that everything is read again.
    private const int MaxDigests = 4096;
    private readonly ConcurrentDictionary<string, string?> _keys = new(StringComparer.Ordinal);
    // Most fleets have no such names, and snapshots ask for each model.
    private volatile bool _hasKeys;

    /// <summary>The key that all models of one runner share.</summary>
    /// <param name="digest">A model's digest.</param>
    /// <returns>The digest itself if nothing more is known.</returns>
    public string KeyOf(string digest) => (_hasKeys ? _keys.GetValueOrDefault(digest) : null) ?? digest;

    /// <summary>Whether a digest's model has been read.</summary>
    public bool Knows(string digest) => _keys.ContainsKey(digest);

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

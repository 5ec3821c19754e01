using System.Collections.Immutable;

namespace OllamaBridge.Gateway.Fleet;

/// <summary>An operator's directive on an instance. Of two directives on one instance, the one with the higher version applies.</summary>
internal interface IDirective
{
    string Instance { get; }

    /// <summary>Its time in milliseconds since 1970, or the previous directive's version plus one.</summary>
    long Version { get; }

    /// <summary>Whether it only revokes an earlier directive, or refers to an instance that does not last. Such a directive expires.</summary>
    bool IsUndoing { get; }
}

/// <summary>The newest directive on each instance. Immutable.</summary>
internal sealed class VersionedMap<T>
    where T : struct, IDirective, IEquatable<T>
{
    private readonly ImmutableDictionary<string, T> _words;

    private VersionedMap(ImmutableDictionary<string, T> words) => _words = words;

    public static VersionedMap<T> Empty { get; } = new(ImmutableDictionary.Create<string, T>(StringComparer.OrdinalIgnoreCase));

    public IEnumerable<T> Words => _words.Values;

    public bool TryGet(string instance, out T word) => _words.TryGetValue(instance, out word);

    /// <summary>The version that makes a new directive the newest.</summary>
    public long NextVersion(string instance, DateTimeOffset now) =>
        Math.Max(now.ToUnixTimeMilliseconds(), _words.TryGetValue(instance, out var known) ? known.Version + 1 : 0);

    /// <summary>Merges directives and removes expired ones.</summary>
    /// <returns>This object if none is new.</returns>
    public VersionedMap<T> Merge(ImmutableArray<T> words, DateTimeOffset now)
    {
        var all = _words;
        foreach (var word in words)
            // Equal versions: the directive that the store has kept applies on all gateways.
            if (!OperatorDirectives.IsSpent(word, now)
                && (!all.TryGetValue(word.Instance, out var known) || known.Version < word.Version || (known.Version == word.Version && !known.Equals(word))))
                all = all.SetItem(word.Instance, word);
        if (all == _words)
            return this;
        return new VersionedMap<T>(all.RemoveRange(all.Values.Where(w => OperatorDirectives.IsSpent(w, now)).Select(w => w.Instance).ToArray()));
    }

    /// <summary>The directives that are missing or older in <paramref name="others"/>.</summary>
    public ImmutableArray<T> LackedBy(ImmutableArray<T> others, DateTimeOffset now)
    {
        if (_words.IsEmpty)
            return [];
        var lacked = _words;
        foreach (var word in others)
            if (lacked.TryGetValue(word.Instance, out var ours) && ours.Version <= word.Version)
                lacked = lacked.Remove(word.Instance);
        return [.. lacked.Values.Where(w => !OperatorDirectives.IsSpent(w, now))];
    }
}

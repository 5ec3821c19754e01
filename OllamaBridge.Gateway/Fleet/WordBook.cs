using System.Collections.Immutable;

namespace OllamaBridge.Gateway.Fleet;

/// <summary>An operator's word on an instance; of two the one with the higher version holds.</summary>
internal interface IFleetWord
{
    /// <summary>On which instance.</summary>
    string Instance { get; }

    /// <summary>When it was said, in milliseconds since 1970, or one past the word before.</summary>
    long Version { get; }

    /// <summary>Whether it only says that an earlier word holds no longer, or is on what itself does not last. Such a word is forgotten in time.</summary>
    bool IsUndoing { get; }
}

/// <summary>The newest word on each instance. Immutable.</summary>
internal sealed class WordBook<T>
    where T : struct, IFleetWord, IEquatable<T>
{
    private readonly ImmutableDictionary<string, T> _words;

    private WordBook(ImmutableDictionary<string, T> words) => _words = words;

    /// <summary>Nobody has said anything.</summary>
    public static WordBook<T> Empty { get; } = new(ImmutableDictionary.Create<string, T>(StringComparer.OrdinalIgnoreCase));

    /// <summary>All of them, in no order.</summary>
    public IEnumerable<T> Words => _words.Values;

    /// <summary>The word on an instance.</summary>
    public bool TryGet(string instance, out T word) => _words.TryGetValue(instance, out word);

    /// <summary>The version that a new word must have to hold.</summary>
    public long NextVersion(string instance, DateTimeOffset now) =>
        Math.Max(now.ToUnixTimeMilliseconds(), _words.TryGetValue(instance, out var known) ? known.Version + 1 : 0);

    /// <summary>Takes in words, and forgets those that are spent.</summary>
    /// <returns>This one where none is news.</returns>
    public WordBook<T> Hear(ImmutableArray<T> words, DateTimeOffset now)
    {
        var all = _words;
        foreach (var word in words)
            // Two of the same moment: what the store has kept holds for all.
            if (!FleetWords.IsSpent(word, now)
                && (!all.TryGetValue(word.Instance, out var known) || known.Version < word.Version || (known.Version == word.Version && !known.Equals(word))))
                all = all.SetItem(word.Instance, word);
        if (all == _words)
            return this;
        return new WordBook<T>(all.RemoveRange(all.Values.Where(w => FleetWords.IsSpent(w, now)).Select(w => w.Instance).ToArray()));
    }

    /// <summary>The words that others lack, or have older.</summary>
    public ImmutableArray<T> LackedBy(ImmutableArray<T> others, DateTimeOffset now)
    {
        if (_words.IsEmpty)
            return [];
        var lacked = _words;
        foreach (var word in others)
            if (lacked.TryGetValue(word.Instance, out var ours) && ours.Version <= word.Version)
                lacked = lacked.Remove(word.Instance);
        return [.. lacked.Values.Where(w => !FleetWords.IsSpent(w, now))];
    }
}

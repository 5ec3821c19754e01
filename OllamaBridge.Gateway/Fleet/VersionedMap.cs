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
    private readonly ImmutableDictionary<string, T> _directives;

    private VersionedMap(ImmutableDictionary<string, T> directives) => _directives = directives;

    public static VersionedMap<T> Empty { get; } = new(ImmutableDictionary.Create<string, T>(StringComparer.OrdinalIgnoreCase));

    public IEnumerable<T> All => _directives.Values;

    public bool TryGet(string instance, out T directive) => _directives.TryGetValue(instance, out directive);

    public long NextVersion(string instance, DateTimeOffset now) =>
        Math.Max(now.ToUnixTimeMilliseconds(), _directives.TryGetValue(instance, out var known) ? known.Version + 1 : 0);

    /// <summary>Removes expired directives, too. Returns this object if none is new.</summary>
    public VersionedMap<T> Merge(ImmutableArray<T> directives, DateTimeOffset now)
    {
        var all = _directives;
        foreach (var directive in directives)
            // Equal versions: the directive that the store has kept applies on all gateways.
            if (!OperatorDirectives.IsSpent(directive, now)
                && (!all.TryGetValue(directive.Instance, out var known) || known.Version < directive.Version || (known.Version == directive.Version && !known.Equals(directive))))
                all = all.SetItem(directive.Instance, directive);
        if (all == _directives)
            return this;
        return new VersionedMap<T>(all.RemoveRange(all.Values.Where(w => OperatorDirectives.IsSpent(w, now)).Select(w => w.Instance).ToArray()));
    }

    /// <summary>The directives that are missing or older in <paramref name="others"/>.</summary>
    public ImmutableArray<T> LackedBy(ImmutableArray<T> others, DateTimeOffset now)
    {
        if (_directives.IsEmpty)
            return [];
        var lacked = _directives;
        foreach (var directive in others)
            if (lacked.TryGetValue(directive.Instance, out var ours) && ours.Version <= directive.Version)
                lacked = lacked.Remove(directive.Instance);
        return [.. lacked.Values.Where(w => !OperatorDirectives.IsSpent(w, now))];
    }
}

using System.Collections.Immutable;
using OllamaBridge.Gateway.Discovery;

namespace OllamaBridge.Gateway.Fleet;

/// <summary>The operators' directives known to this gateway, and its own ejections: all state that it shares with others. Immutable.</summary>
internal sealed record OperatorDirectives(
    VersionedMap<DrainMark> Drains, VersionedMap<MemberMark> Members, ImmutableArray<OwnEjection> Ejections)
{
    /// <summary>How long a directive that only revokes another is kept: as long as shared state lasts without a bridge.</summary>
    public static TimeSpan Memory { get; } = TimeSpan.FromDays(30);

    public static OperatorDirectives None { get; } = new(VersionedMap<DrainMark>.Empty, VersionedMap<MemberMark>.Empty, []);

    /// <summary>Whether a directive has expired. All keepers of directives use this rule, so that none restores an expired directive.</summary>
    public static bool IsSpent<T>(T word, DateTimeOffset now)
        where T : struct, IDirective => word.IsUndoing && word.Version < (now - Memory).ToUnixTimeMilliseconds();

    /// <summary>The directive refers to a name and may be older than the instance. A null incarnation is unknown.</summary>
    public bool IsDrained(string name, string? incarnation = null) => Drains.TryGet(name, out var mark) && mark.Draining && mark.IsOn(incarnation);

    public DateTimeOffset? DrainDeadline(string name, string? incarnation = null) =>
        Drains.TryGet(name, out var mark) && mark.IsOn(incarnation) ? mark.Until : null;

    /// <returns>This object if none is new.</returns>
    public OperatorDirectives Merge(ImmutableArray<DrainMark> drains, ImmutableArray<MemberMark> members, DateTimeOffset now)
    {
        var (heard, joined) = (Drains.Merge(drains, now), Members.Merge(members, now));
        return heard == Drains && joined == Members ? this : this with { Drains = heard, Members = joined };
    }

    /// <param name="incarnation">The incarnation to drain; null for all past and future servers of the name.</param>
    public OperatorDirectives Drain(string name, bool draining, DateTimeOffset now, DateTimeOffset? deadline = null, string? incarnation = null)
    {
        var mark = new DrainMark(name, draining, Drains.NextVersion(name, now));
        return Merge(
            [draining ? mark with { Deadline = deadline?.ToUnixTimeMilliseconds() ?? 0, Incarnation = incarnation } : mark], [], now);
    }

    public OperatorDirectives Add(InstanceDefinition definition, DateTimeOffset now)
    {
        var (name, key) = (definition.Name, MemberMark.Key(definition.Name));
        // A new instance is meant to serve: a drain of an earlier one of its name does not apply.
        var isNew = !Members.TryGet(key, out var mark) || mark.Definition is null;
        return (isNew && IsDrained(name) ? Drain(name, draining: false, now) : this)
            .Merge([], [new MemberMark(key, definition, Members.NextVersion(key, now))], now);
    }

    public OperatorDirectives Remove(string name, DateTimeOffset now)
    {
        var key = MemberMark.Key(name);
        return Merge([], [new MemberMark(key, null, Members.NextVersion(key, now))], now);
    }
}

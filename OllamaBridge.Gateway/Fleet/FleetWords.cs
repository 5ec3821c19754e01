using System.Collections.Immutable;

namespace OllamaBridge.Gateway.Fleet;

/// <summary>What a gateway knows of operators' words, and what it has ejected itself: all that it has to say to others. Immutable.</summary>
/// <param name="Drains">The words on drains.</param>
/// <param name="Members">The words on who belongs to the fleet.</param>
/// <param name="Ejections">What it has ejected itself, and until when.</param>
internal sealed record FleetWords(
    WordBook<DrainMark> Drains, WordBook<MemberMark> Members, ImmutableArray<OwnEjection> Ejections)
{
    /// <summary>How long a word that only undoes another is remembered: as long as shared state lasts without a bridge.</summary>
    public static TimeSpan Memory { get; } = TimeSpan.FromDays(30);

    /// <summary>Nothing.</summary>
    public static FleetWords None { get; } = new(WordBook<DrainMark>.Empty, WordBook<MemberMark>.Empty, []);

    /// <summary>Whether a word has no use any more. A rule for whoever keeps some: what one forgets another must not bring back.</summary>
    public static bool IsSpent<T>(T word, DateTimeOffset now)
        where T : struct, IFleetWord => word.IsUndoing && word.Version < (now - Memory).ToUnixTimeMilliseconds();

    /// <summary>Whether an instance is to be emptied. The word is on a name, and may be older than the instance.</summary>
    /// <param name="name">The instance's name.</param>
    /// <param name="incarnation">Which of those that had the name; null where that cannot be told.</param>
    public bool IsDrained(string name, string? incarnation = null) => Drains.TryGet(name, out var mark) && mark.Draining && mark.IsOn(incarnation);

    /// <summary>By when it is to be empty; null where it may take its time, or is not emptied.</summary>
    /// <param name="name">The instance's name.</param>
    /// <param name="incarnation">Which of those that had the name.</param>
    public DateTimeOffset? DrainDeadline(string name, string? incarnation = null) =>
        Drains.TryGet(name, out var mark) && mark.IsOn(incarnation) ? mark.Until : null;

    /// <summary>Takes in what others know.</summary>
    /// <returns>This where none of it is news.</returns>
    public FleetWords Hear(ImmutableArray<DrainMark> drains, ImmutableArray<MemberMark> members, DateTimeOffset now)
    {
        var (heard, joined) = (Drains.Hear(drains, now), Members.Hear(members, now));
        return heard == Drains && joined == Members ? this : this with { Drains = heard, Members = joined };
    }

    /// <summary>An operator starts or ends a drain.</summary>
    /// <param name="name">The instance's name.</param>
    /// <param name="draining">True to drain.</param>
    /// <param name="now">The time.</param>
    /// <param name="deadline">By when; null where it may take its time.</param>
    /// <param name="incarnation">Which of those that have had the name or will; null for all.</param>
    public FleetWords Drain(string name, bool draining, DateTimeOffset now, DateTimeOffset? deadline = null, string? incarnation = null)
    {
        var mark = new DrainMark(name, draining, Drains.NextVersion(name, now));
        return Hear(
            [draining ? mark with { Deadline = deadline?.ToUnixTimeMilliseconds() ?? 0, Incarnation = incarnation } : mark], [], now);
    }

    /// <summary>An operator adds an instance, or says anew what it is.</summary>
    public FleetWords Add(InstanceDefinition definition, DateTimeOffset now)
    {
        var (name, key) = (definition.Name, MemberMark.Key(definition.Name));
        // Whoever adds one wants it used; that an earlier one of its name was emptied before it went is past.
        var isNew = !Members.TryGet(key, out var mark) || mark.Definition is null;
        return (isNew && IsDrained(name) ? Drain(name, draining: false, now) : this)
            .Hear([], [new MemberMark(key, definition, Members.NextVersion(key, now))], now);
    }

    /// <summary>An operator removes an instance.</summary>
    public FleetWords Remove(string name, DateTimeOffset now)
    {
        var key = MemberMark.Key(name);
        return Hear([], [new MemberMark(key, null, Members.NextVersion(key, now))], now);
    }
}

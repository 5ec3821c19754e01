namespace OllamaBridge.Gateway.Fleet;

/// <summary>What came of an operator's change to the list of instances.</summary>
internal enum MemberChange
{
    /// <summary>It is new.</summary>
    Added,

    /// <summary>It was there already, and is now as said.</summary>
    Changed,

    /// <summary>It belongs to the fleet no longer.</summary>
    Removed,

    /// <summary>There is no such instance.</summary>
    NotFound,

    /// <summary>An instance of that name comes from the configuration, which an API does not change.</summary>
    Configured,

    /// <summary>Another instance has the address: it would get twice its slots.</summary>
    AddressTaken,
}

/// <summary>The fleet as configuration and operators' words make it. Pure: who knows the same comes to the same.</summary>
internal static class FleetMembers
{
    /// <summary>Whoever is configured, then whoever operators have added and whose name and address are free, by name.</summary>
    /// <param name="configured">From the configuration, resolved.</param>
    /// <param name="words">What operators said.</param>
    /// <param name="hidden">Receives those that were added but have to stand back.</param>
    public static IReadOnlyList<InstanceDefinition> Merge(
        IReadOnlyList<InstanceDefinition> configured, WordBook<MemberMark> words, ICollection<InstanceDefinition> hidden)
    {
        var all = new List<InstanceDefinition>(configured);
        // Two gateways may have been told of one address at once: who said it first has it.
        foreach (var member in Living(words).OrderBy(m => m.Version).ThenBy(m => m.Instance, StringComparer.Ordinal))
            if (all.Exists(d => Has(d, member.Definition!.Name) || InstanceAddress.IsSameServer(d, member.Definition.Url, member.Definition.OpenAI is not null)))
                hidden.Add(member.Definition!);
            else
                all.Add(member.Definition!);
        all.Sort(configured.Count, all.Count - configured.Count, ByName.Instance);
        return all;
    }

    /// <summary>An operator adds an instance, or says anew what one that was added is.</summary>
    /// <returns>What comes of it, and the words from then on.</returns>
    public static (MemberChange Change, FleetWords Words) Add(
        InstanceDefinition asked, IReadOnlyList<InstanceDefinition> configured, FleetWords words, DateTimeOffset now)
    {
        if (configured.Any(d => Has(d, asked.Name)))
            return (MemberChange.Configured, words);
        if (configured.Any(HasAddress) || Living(words.Members).Any(m => HasAddress(m.Definition!) && !Has(m.Definition!, asked.Name)))
            return (MemberChange.AddressTaken, words);
        return (IsLiving(asked.Name, words.Members) ? MemberChange.Changed : MemberChange.Added, words.Add(asked, now));

        bool HasAddress(InstanceDefinition definition) => InstanceAddress.IsSameServer(definition, asked.Url, asked.OpenAI is not null);
    }

    /// <summary>An operator removes an instance.</summary>
    /// <returns>What comes of it, and the words from then on.</returns>
    public static (MemberChange Change, FleetWords Words) Remove(
        string name, IReadOnlyList<InstanceDefinition> configured, FleetWords words, DateTimeOffset now) =>
        configured.Any(d => Has(d, name)) ? (MemberChange.Configured, words)
        : IsLiving(name, words.Members) ? (MemberChange.Removed, words.Remove(name, now))
        : (MemberChange.NotFound, words);

    private static bool IsLiving(string name, WordBook<MemberMark> words) => words.TryGet(name, out var mark) && mark.Definition is not null;

    private static IEnumerable<MemberMark> Living(WordBook<MemberMark> words) => words.Words.Where(m => m.Definition is not null);

    private static bool Has(InstanceDefinition definition, string name) => string.Equals(definition.Name, name, StringComparison.OrdinalIgnoreCase);

    private sealed class ByName : IComparer<InstanceDefinition>
    {
        public static ByName Instance { get; } = new();

        public int Compare(InstanceDefinition? x, InstanceDefinition? y) => string.CompareOrdinal(x?.Name, y?.Name);
    }
}

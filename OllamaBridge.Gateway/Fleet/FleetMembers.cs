using OllamaBridge.Gateway.Discovery;

namespace OllamaBridge.Gateway.Fleet;

internal enum MemberChange
{
    Added,

    Changed,

    Removed,

    NotFound,

    /// <summary>An instance of that name is configured; the API cannot change it.</summary>
    Configured,

    /// <summary>Another instance has the same address; the server would get twice its slots.</summary>
    AddressTaken,
}

/// <summary>Merges configured instances and operators' directives. Pure: gateways with the same input get the same fleet.</summary>
internal static class FleetMembers
{
    /// <summary>The configured instances, then the added ones by name. <paramref name="hidden"/> receives those whose name or address is taken.</summary>
    public static IReadOnlyList<InstanceDefinition> Merge(
        IReadOnlyList<InstanceDefinition> configured, VersionedMap<MemberMark> directives, ICollection<InstanceDefinition> hidden)
    {
        var all = new List<InstanceDefinition>(configured);
        // Two gateways may have accepted the same address at the same time: the older directive wins.
        foreach (var member in Living(directives).OrderBy(m => m.Version).ThenBy(m => m.Instance, StringComparer.Ordinal))
            if (all.Exists(d => Has(d, member.Definition!.Name) || InstanceAddress.IsSameServer(d, member.Definition.Url, member.Definition.OpenAI is not null)))
                hidden.Add(member.Definition!);
            else
                all.Add(member.Definition!);
        all.Sort(configured.Count, all.Count - configured.Count, ByName.Instance);
        return all;
    }

    public static (MemberChange Change, OperatorDirectives Directives) Add(
        InstanceDefinition asked, IReadOnlyList<InstanceDefinition> configured, OperatorDirectives directives, DateTimeOffset now)
    {
        if (configured.Any(d => Has(d, asked.Name)))
            return (MemberChange.Configured, directives);
        if (configured.Any(HasAddress) || Living(directives.Members).Any(m => HasAddress(m.Definition!) && !Has(m.Definition!, asked.Name)))
            return (MemberChange.AddressTaken, directives);
        return (IsLiving(asked.Name, directives.Members) ? MemberChange.Changed : MemberChange.Added, directives.Add(asked, now));

        bool HasAddress(InstanceDefinition definition) => InstanceAddress.IsSameServer(definition, asked.Url, asked.OpenAI is not null);
    }

    public static (MemberChange Change, OperatorDirectives Directives) Remove(
        string name, IReadOnlyList<InstanceDefinition> configured, OperatorDirectives directives, DateTimeOffset now) =>
        configured.Any(d => Has(d, name)) ? (MemberChange.Configured, directives)
        : IsLiving(name, directives.Members) ? (MemberChange.Removed, directives.Remove(name, now))
        : (MemberChange.NotFound, directives);

    private static bool IsLiving(string name, VersionedMap<MemberMark> directives) => directives.TryGet(name, out var mark) && mark.Definition is not null;

    private static IEnumerable<MemberMark> Living(VersionedMap<MemberMark> directives) => directives.All.Where(m => m.Definition is not null);

    private static bool Has(InstanceDefinition definition, string name) => string.Equals(definition.Name, name, StringComparison.OrdinalIgnoreCase);

    private sealed class ByName : IComparer<InstanceDefinition>
    {
        public static ByName Instance { get; } = new();

        public int Compare(InstanceDefinition? x, InstanceDefinition? y) => string.CompareOrdinal(x?.Name, y?.Name);
    }
}

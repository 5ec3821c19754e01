using System.Globalization;

namespace OllamaBridge.Gateway.Discovery;

/// <summary>Names the servers of groups, independent of their order, because directives on a name apply at all gateways. Pure.</summary>
/// <param name="taken">The individually configured instances, whose names and addresses are reserved.</param>
internal sealed class GroupNames(IEnumerable<InstanceDefinition> taken)
{
    private readonly HashSet<string> _names = new(taken.Select(d => d.Name), StringComparer.OrdinalIgnoreCase);
    private readonly HashSet<Uri> _urls = [.. taken.Select(d => d.Url)];

    /// <summary>Groups must be named in the order of the configuration. The result has an order that makes lists comparable.</summary>
    public IReadOnlyList<InstanceDefinition> Name(InstanceDefinition group, IEnumerable<GroupMember> members)
    {
        var list = new List<InstanceDefinition>();
        foreach (var member in members.OrderBy(m => m.Name ?? m.Url.Host, StringComparer.Ordinal).ThenBy(m => m.Url.AbsoluteUri, StringComparer.Ordinal))
            // A server that is listed twice would get twice its slots.
            if (_urls.Add(member.Url))
                list.Add(group with
                {
                    Name = Free(group.Name, member),
                    Url = member.Url,
                    Discovery = InstanceDiscovery.None,
                    IsDiscovered = true,
                    Incarnation = member.Incarnation,
                    IsLeaving = member.IsLeaving,
                });
        return list;
    }

    private string Free(string group, GroupMember member)
    {
        var prefixed = $"{group}-{member.Name ?? member.Url.Host.Trim('[', ']')}";
        var name = member.Name is { } own && InstanceDefinitions.IsName(own) ? own : prefixed;
        // Two namespaces may each have an ollama-0.
        if (_names.Add(name))
            return name;
        name = prefixed;
        for (var i = 2; !_names.Add(name); i++)
            name = string.Create(CultureInfo.InvariantCulture, $"{prefixed}-{i}");
        return name;
    }
}

using System.Net;
using System.Net.Sockets;
using k8s.Models;

namespace OllamaBridge.Gateway.Discovery;

/// <summary>Reads a Service's servers from its EndpointSlices. Pure. Format: <c>discovery.k8s.io/v1</c>.</summary>
internal static class Endpoints
{
    /// <summary>A server may be in two slices. The scheme, and the port if a slice names none, are those of <paramref name="group"/>'s URL.</summary>
    public static IReadOnlyList<GroupMember> Read(IEnumerable<V1EndpointSlice> slices, InstanceDefinition group)
    {
        var found = new Dictionary<string, (GroupMember Member, AddressFamily Family)>(StringComparer.Ordinal);
        foreach (var slice in slices)
            foreach (var endpoint in slice.Endpoints ?? [])
            {
                // Names instead of addresses (addressType FQDN) are skipped: they lead to servers that nothing here has checked.
                if (Read(endpoint, slice, group) is not var (member, family))
                    continue;
                var key = endpoint.TargetRef?.Uid ?? endpoint.TargetRef?.Name ?? member.Url.Authority;
                found[key] = found.TryGetValue(key, out var other) ? Join(other, (member, family)) : (member, family);
            }

        return [.. found.Values.Select(f => f.Member)];
    }

    private static (GroupMember Member, AddressFamily Family)? Read(V1Endpoint endpoint, V1EndpointSlice slice, InstanceDefinition group)
    {
        if (StateOf(endpoint.Conditions) is not { } isLeaving || endpoint.Addresses is not [var text, ..] || !IPAddress.TryParse(text, out var address))
            return null;
        var url = GroupMember.At(group.Url, address, PortOf(slice, group.PortName));
        var isPod = endpoint.TargetRef is { Kind: "Pod" or null, Name.Length: > 0 };
        var name = isPod ? endpoint.TargetRef!.Name : endpoint.Hostname;
        return (new GroupMember(string.IsNullOrEmpty(name) ? null : name, url, endpoint.TargetRef?.Uid ?? url.Authority, isLeaving), address.AddressFamily);
    }

    /// <summary>Whether the server is leaving; null if it must not be used. A missing condition means ready, and not leaving.</summary>
    private static bool? StateOf(V1EndpointConditions? conditions)
    {
        var ready = conditions?.Ready ?? true;
        if (conditions?.Terminating == true)
            return conditions.Serving ?? ready ? true : null;
        return ready ? false : null;
    }

    private static int? PortOf(V1EndpointSlice slice, string name)
    {
        var ports = (slice.Ports ?? []).Where(p => p.Port is not null && p.Protocol is null or "TCP").ToArray();
        return ports.FirstOrDefault(p => p.Name == name)?.Port ?? (ports.Length == 1 ? ports[0].Port : null);
    }

    /// <summary>Joins two addresses of one pod, preferably with its IPv4 address. A server that is leaving in one slice is leaving.</summary>
    private static (GroupMember Member, AddressFamily Family) Join((GroupMember Member, AddressFamily Family) one, (GroupMember Member, AddressFamily Family) other)
    {
        var better = other.Family < one.Family ? other : one;
        return (better.Member with { IsLeaving = one.Member.IsLeaving || other.Member.IsLeaving }, better.Family);
    }
}

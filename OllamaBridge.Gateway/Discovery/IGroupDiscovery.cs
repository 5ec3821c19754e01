using System.Net;
using System.Net.Sockets;

namespace OllamaBridge.Gateway.Discovery;

/// <summary>Finds the instances of a group.</summary>
internal interface IGroupDiscovery
{
    InstanceDiscovery Way { get; }

    /// <summary>Finds the members of a group, which the entry's URL names.</summary>
    /// <returns>The current members; if they are unknown, the last known ones.</returns>
    /// <exception cref="InvalidOperationException">The entry is not valid for this kind of discovery.</exception>
    Task<GroupFound> FindAsync(InstanceDefinition group, CancellationToken cancellationToken);

    /// <summary>Sets a callback for possible changes of a group, for sources that detect changes by themselves.</summary>
    void Watch(Action changed)
    {
    }

    /// <summary>Stops following all groups but these, which are the remaining groups of all kinds of discovery.</summary>
    void Keep(IReadOnlyCollection<InstanceDefinition> groups)
    {
    }
}

/// <summary>The members of a group. <see cref="Problem"/> is the reason why they may be out of date; null if they are current.</summary>
internal sealed record GroupFound(IReadOnlyList<GroupMember> Members, string? Problem = null);

/// <summary>One server of a group.</summary>
/// <param name="Name">Its own name, for example its pod's; null if it has only an address.</param>
/// <param name="Url">Its URL.</param>
/// <param name="Incarnation">A value that the next server of the same name will not have; null if that cannot be determined.</param>
/// <param name="IsLeaving">Whether it is ending and must get no new requests.</param>
internal sealed record GroupMember(string? Name, Uri Url, string? Incarnation = null, bool IsLeaving = false)
{
    /// <summary>The group's URL with a server's address, and with its port unless that is null.</summary>
    public static Uri At(Uri group, IPAddress address, int? port = null)
    {
        var plain = address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
        return new UriBuilder(group) { Host = plain.AddressFamily == AddressFamily.InterNetworkV6 ? $"[{plain}]" : plain.ToString(), Port = port ?? group.Port }.Uri;
    }
}

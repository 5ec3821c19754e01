using System.Net;
using System.Net.Sockets;

namespace OllamaBridge.Gateway.Fleet.Discovery;

/// <summary>A way to find the instances that an entry stands for.</summary>
internal interface IGroupDiscovery
{
    /// <summary>Which.</summary>
    InstanceDiscovery Way { get; }

    /// <summary>Who belongs to a group.</summary>
    /// <param name="group">The entry; its address names the group.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>Who does now; while nobody knows, who did when somebody last knew.</returns>
    /// <exception cref="InvalidOperationException">The entry cannot be looked for so.</exception>
    Task<GroupFound> FindAsync(InstanceDefinition group, CancellationToken cancellationToken);

    /// <summary>Calls back when a group may have changed, where that can be known without asking.</summary>
    void Watch(Action changed)
    {
    }

    /// <summary>These groups, of all ways, are left: others need no longer be followed.</summary>
    void Keep(IReadOnlyCollection<InstanceDefinition> groups)
    {
    }
}

/// <summary>Who belongs to a group.</summary>
/// <param name="Members">Its servers.</param>
/// <param name="Problem">Why that may be out of date, in words; null where it is not.</param>
internal sealed record GroupFound(IReadOnlyList<GroupMember> Members, string? Problem = null);

/// <summary>One server of a group.</summary>
/// <param name="Name">Its own name, for example its pod's; null where it has none but its address.</param>
/// <param name="Url">Its address.</param>
/// <param name="Incarnation">What the next server of the same name will not have; null where that cannot be told.</param>
/// <param name="IsLeaving">It ends, and is to get nothing new.</param>
internal sealed record GroupMember(string? Name, Uri Url, string? Incarnation = null, bool IsLeaving = false)
{
    /// <summary>The group's address with a server's own host and port.</summary>
    /// <param name="group">The group's.</param>
    /// <param name="address">The server's.</param>
    /// <param name="port">Its port; null for the group's.</param>
    public static Uri At(Uri group, IPAddress address, int? port = null)
    {
        var plain = address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
        return new UriBuilder(group) { Host = plain.AddressFamily == AddressFamily.InterNetworkV6 ? $"[{plain}]" : plain.ToString(), Port = port ?? group.Port }.Uri;
    }
}

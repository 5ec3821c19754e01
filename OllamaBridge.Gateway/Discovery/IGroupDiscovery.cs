using System.Net;
using System.Net.Sockets;

namespace OllamaBridge.Gateway.Discovery;

internal interface IGroupDiscovery
{
    InstanceDiscovery Way { get; }

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

/// <summary>One server of a group. <c>Name</c> is null if it has only an address, <c>Incarnation</c> if it can't be distinguished from the next one.</summary>
internal sealed record GroupMember(string? Name, Uri Url, string? Incarnation = null, bool IsLeaving = false)
{
    public static Uri At(Uri group, IPAddress address, int? port = null)
    {
        var plain = address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
        return new UriBuilder(group) { Host = plain.AddressFamily == AddressFamily.InterNetworkV6 ? $"[{plain}]" : plain.ToString(), Port = port ?? group.Port }.Uri;
    }
}

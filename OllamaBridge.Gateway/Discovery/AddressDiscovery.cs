using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace OllamaBridge.Gateway.Discovery;

/// <summary>Makes every address of a host name an instance, as for a Kubernetes headless Service or for scaled containers.</summary>
internal sealed class AddressDiscovery(IHostLookup lookup, ILogger<AddressDiscovery> logger) : IGroupDiscovery
{
    // The last known addresses, used while DNS is unavailable.
    private readonly ConcurrentDictionary<string, IReadOnlyList<IPAddress>> _last = new(StringComparer.OrdinalIgnoreCase);

    public InstanceDiscovery Way => InstanceDiscovery.Dns;

    public async Task<GroupFound> FindAsync(InstanceDefinition group, CancellationToken cancellationToken)
    {
        var host = group.Url.Host;
        try
        {
            var found = await lookup.FindAsync(host, cancellationToken);
            _last[host] = found;
            return new GroupFound(Members(group, found));
        }
        catch (SocketException e)
        {
            InstanceSourceLog.LookupFailed(logger, host, e.SocketErrorCode);
            return new GroupFound(Members(group, _last.GetValueOrDefault(host, [])), $"DNS lookup of {host} failed ({e.SocketErrorCode})");
        }
    }

    // Without a name of its own, an instance is named after its address, so every gateway gives it the same name.
    private static GroupMember[] Members(InstanceDefinition group, IEnumerable<IPAddress> addresses) =>
        [.. addresses.Select(a => GroupMember.At(group.Url, a)).Distinct().Select(url => new GroupMember(null, url))];
}

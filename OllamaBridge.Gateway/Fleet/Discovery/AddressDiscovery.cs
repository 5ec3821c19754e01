using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace OllamaBridge.Gateway.Fleet.Discovery;

/// <summary>Makes every address behind a name an instance of its own: the way of a Kubernetes headless Service, or of scaled containers.</summary>
internal sealed class AddressDiscovery(IHostLookup lookup, ILogger<AddressDiscovery> logger) : IGroupDiscovery
{
    // While nobody answers, the fleet stays as it was.
    private readonly ConcurrentDictionary<string, IReadOnlyList<IPAddress>> _last = new(StringComparer.OrdinalIgnoreCase);

    /// <inheritdoc/>
    public InstanceDiscovery Way => InstanceDiscovery.Dns;

    /// <inheritdoc/>
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
            FleetLog.LookupFailed(logger, host, e.SocketErrorCode);
            return new GroupFound(Members(group, _last.GetValueOrDefault(host, [])), $"DNS does not tell who is behind {host} ({e.SocketErrorCode})");
        }
    }

    // Names have the address in them: who comes to have it is the same to everybody.
    private static GroupMember[] Members(InstanceDefinition group, IEnumerable<IPAddress> addresses) =>
        [.. addresses.Select(a => GroupMember.At(group.Url, a)).Distinct().Select(url => new GroupMember(null, url))];
}

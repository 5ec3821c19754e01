using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace OllamaBridge.Gateway.Fleet;

/// <summary>Makes every address behind a name an instance of its own: the way of a Kubernetes headless Service, or of scaled containers.</summary>
internal sealed class AddressDiscovery(IHostLookup lookup, ILogger<AddressDiscovery> logger)
{
    // While nobody answers, the fleet stays as it was.
    private readonly ConcurrentDictionary<string, IReadOnlyList<IPAddress>> _last = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>The instances behind a definition: itself where it is not to be looked up.</summary>
    public async Task<IEnumerable<InstanceDefinition>> ExpandAsync(InstanceDefinition definition, CancellationToken cancellationToken)
    {
        if (definition.Discovery == InstanceDiscovery.None)
            return [definition];
        var host = definition.Url.Host;
        try
        {
            var found = await lookup.FindAsync(host, cancellationToken);
            _last[host] = found;
            return Expand(definition, found);
        }
        catch (SocketException e)
        {
            FleetLog.LookupFailed(logger, host, e.SocketErrorCode);
            return Expand(definition, _last.GetValueOrDefault(host, []));
        }
    }

    /// <summary>One definition for each address, in the addresses' order, so that lists can be compared. Names hold as long as addresses do.</summary>
    public static IEnumerable<InstanceDefinition> Expand(InstanceDefinition definition, IEnumerable<IPAddress> addresses) => addresses
        .Select(a => a.IsIPv4MappedToIPv6 ? a.MapToIPv4() : a)
        .Distinct()
        .Select(a => definition with
        {
            Name = $"{definition.Name}-{a}",
            Url = new UriBuilder(definition.Url) { Host = a.ToString() }.Uri,
            Discovery = InstanceDiscovery.None,
        })
        .OrderBy(d => d.Name, StringComparer.Ordinal);
}

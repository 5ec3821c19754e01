using System.Net;
using Microsoft.AspNetCore.HttpOverrides;

using IPNetwork = System.Net.IPNetwork;

namespace OllamaBridge.Gateway.Tenants;

/// <summary>Finds a request's tenant by its source network. The smallest network decides.</summary>
internal sealed class SourceNetworks(IEnumerable<(IPNetwork Network, Tenant Tenant)> networks)
{
    private readonly (IPNetwork Network, Tenant Tenant)[] _networks = [.. networks.OrderByDescending(n => n.Network.PrefixLength)];

    public bool IsEmpty => _networks.Length == 0;

    /// <summary>Parses a network, or an address as the network of this single address.</summary>
    public static bool TryParse(string? text, out IPNetwork network)
    {
        network = default;
        if (IPAddress.TryParse(text, out var address))
        {
            address = address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
            network = new IPNetwork(address, address.GetAddressBytes().Length * 8);
            return true;
        }

        return IPNetwork.TryParse(text, out network);
    }

    /// <summary>Null if no network contains the address, the address comes from the headers, or a proxy on this machine forwarded the request.</summary>
    public Tenant? Find(HttpContext context)
    {
        if (_networks.Length == 0 || context.Connection.RemoteIpAddress is not { } address
            || context.Request.Headers.ContainsKey(ForwardedHeadersDefaults.XOriginalForHeaderName) || ProxiedRequests.IsMarkedRemote(context))
            return null;
        address = address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
        foreach (var (network, tenant) in _networks)
            if (network.Contains(address))
                return tenant;
        return null;
    }
}

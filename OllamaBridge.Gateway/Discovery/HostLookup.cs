using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Options;

namespace OllamaBridge.Gateway.Discovery;

/// <summary>Resolves host names to addresses.</summary>
internal interface IHostLookup
{
    /// <summary>Resolves a host name. Returns no address if the name does not exist, as for a group that has no member at the moment.</summary>
    /// <exception cref="SocketException">The addresses are unknown, because no server gave a definite result.</exception>
    Task<IReadOnlyList<IPAddress>> FindAsync(string host, CancellationToken cancellationToken);
}

/// <summary>Resolves host names with the system's resolver, or with the configured servers.</summary>
/// <remarks>
/// The system's resolver distinguishes a missing name (EAI_NONAME, EAI_NODATA) from a failing or silent server (EAI_AGAIN, EAI_FAIL), so an outage
/// does not empty a group.
/// </remarks>
internal sealed class DnsHostLookup(DnsQueries dns, IOptions<DnsOptions> options) : IHostLookup
{
    public async Task<IReadOnlyList<IPAddress>> FindAsync(string host, CancellationToken cancellationToken)
    {
        try
        {
            return string.IsNullOrWhiteSpace(options.Value.Servers) || IPAddress.TryParse(host, out _)
                ? await Dns.GetHostAddressesAsync(host, cancellationToken)
                : await dns.FindAddressesAsync(host, cancellationToken);
        }
        catch (SocketException e) when (e.SocketErrorCode is SocketError.HostNotFound or SocketError.NoData)
        {
            return [];
        }
        catch (DnsFailedException)
        {
            throw new SocketException((int)SocketError.TryAgain);
        }
    }
}

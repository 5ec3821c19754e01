using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Options;

namespace OllamaBridge.Gateway.Fleet.Discovery;

/// <summary>Finds the addresses behind a name.</summary>
internal interface IHostLookup
{
    /// <summary>The addresses behind a name; none where there is no such name, as with a group that has no member at the moment.</summary>
    /// <exception cref="SocketException">Nobody who could know has answered.</exception>
    Task<IReadOnlyList<IPAddress>> FindAsync(string host, CancellationToken cancellationToken);
}

/// <summary>Asks the system's resolver, or the servers that are configured.</summary>
/// <remarks>
/// The system's tells a name that does not exist (EAI_NONAME, EAI_NODATA) from a server in trouble or silent (EAI_AGAIN, EAI_FAIL), so an outage
/// makes no empty group.
/// </remarks>
internal sealed class DnsHostLookup(DnsQueries dns, IOptions<DnsOptions> options) : IHostLookup
{
    /// <inheritdoc/>
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

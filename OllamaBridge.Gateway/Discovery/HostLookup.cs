using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Options;

namespace OllamaBridge.Gateway.Discovery;

internal interface IHostLookup
{
    /// <summary>Returns no address if the name does not exist, as for a group that has no member at the moment.</summary>
    /// <exception cref="SocketException">The addresses are unknown, because no server gave a definite result.</exception>
    Task<IReadOnlyList<IPAddress>> FindAsync(string host, CancellationToken cancellationToken);
}

/// <summary>Uses the configured servers, or the system's resolver, which distinguishes a missing name (EAI_NONAME) from a failing server (EAI_AGAIN).</summary>
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

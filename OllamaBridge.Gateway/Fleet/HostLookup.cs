using System.Net;
using System.Net.Sockets;

namespace OllamaBridge.Gateway.Fleet;

/// <summary>Finds the addresses behind a name.</summary>
internal interface IHostLookup
{
    /// <summary>The addresses behind a name; none where there is no such name, as with a group that has no member at the moment.</summary>
    /// <exception cref="SocketException">Nobody who could know has answered.</exception>
    Task<IReadOnlyList<IPAddress>> FindAsync(string host, CancellationToken cancellationToken);
}

/// <summary>Asks the system's resolver.</summary>
internal sealed class DnsHostLookup : IHostLookup
{
    /// <inheritdoc/>
    public async Task<IReadOnlyList<IPAddress>> FindAsync(string host, CancellationToken cancellationToken)
    {
        try
        {
            return await Dns.GetHostAddressesAsync(host, cancellationToken);
        }
        catch (SocketException e) when (e.SocketErrorCode is SocketError.HostNotFound or SocketError.NoData)
        {
            return [];
        }
    }
}

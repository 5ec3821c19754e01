using System.Net;

namespace OllamaBridge.Gateway.Identity;

/// <summary>What is known of who asks. Until there are keys: whether it is somebody on this machine.</summary>
internal static class Caller
{
    /// <summary>Whether a connection comes from this machine's loopback.</summary>
    public static bool IsLocal(ConnectionInfo connection)
    {
        var address = connection.RemoteIpAddress;
        return address is not null && IPAddress.IsLoopback(address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address);
    }
}

using System.Net;
using System.Net.Sockets;

namespace OllamaBridge.Gateway.Tenants;

/// <summary>Decides which <c>Host</c> names a service on loopback accepts (DNS rebinding). As <c>allowedHostsMiddleware</c> of Ollama 0.32.15. Pure.</summary>
internal static class HostRules
{
    private static readonly string[] LocalDomains = [".localhost", ".local", ".internal"];

    /// <summary>Whether a <c>Host</c> header is local, the name of this <paramref name="machine"/> or one that an operator allowed.</summary>
    public static bool IsAllowed(HostString host, string machine, IList<string> alsoAllowed)
    {
        var name = host.Host ?? "";
        if (name.Length == 0 || Same(name, "localhost") || Same(name, machine))
            return true;
        if (IPAddress.TryParse(name, out var address))
            return IsLocal(address);
        foreach (var domain in LocalDomains)
            if (name.EndsWith(domain, StringComparison.OrdinalIgnoreCase))
                return true;
        foreach (var allowed in alsoAllowed)
            if (allowed == "*" || Same(name, allowed))
                return true;
        return false;
    }

    private static bool IsLocal(IPAddress address)
    {
        if (address.IsIPv4MappedToIPv6)
            address = address.MapToIPv4();
        if (IPAddress.IsLoopback(address) || address.Equals(IPAddress.Any) || address.Equals(IPAddress.IPv6Any))
            return true;
        if (address.AddressFamily == AddressFamily.InterNetworkV6)
            return address.IsIPv6UniqueLocal;
        Span<byte> bytes = stackalloc byte[4];
        address.TryWriteBytes(bytes, out _);
        // RFC 1918.
        return bytes[0] == 10 || (bytes[0] == 172 && bytes[1] is >= 16 and < 32) || (bytes[0] == 192 && bytes[1] == 168);
    }

    private static bool Same(string a, string b) => string.Equals(a, b, StringComparison.OrdinalIgnoreCase);
}

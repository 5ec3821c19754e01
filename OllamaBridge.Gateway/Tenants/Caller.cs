using System.Net;
using Microsoft.AspNetCore.HttpOverrides;

namespace OllamaBridge.Gateway.Tenants;

internal static class Caller
{
    /// <summary>With <c>ASPNETCORE_FORWARDEDHEADERS_ENABLED</c> the client can set the address: a request with <c>X-Original-For</c> is not local.</summary>
    public static bool IsLocal(HttpContext context)
    {
        if (context.Request.Headers.ContainsKey(ForwardedHeadersDefaults.XOriginalForHeaderName) || ProxiedRequests.IsMarkedRemote(context))
            return false;
        var address = context.Connection.RemoteIpAddress;
        return address is not null && IPAddress.IsLoopback(address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address);
    }

    /// <summary>The address of the connection, or the forwarded one if that is enabled. Null for a connection that has none (a Unix socket).</summary>
    public static string? AddressOf(HttpContext context) =>
        context.Connection.RemoteIpAddress is not { } address ? null : (address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address).ToString();
}

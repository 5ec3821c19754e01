using System.Net;
using Microsoft.AspNetCore.HttpOverrides;

namespace OllamaBridge.Gateway.Tenants;

/// <summary>The address of a request's client.</summary>
internal static class Caller
{
    /// <summary>Whether a request comes from this machine's loopback address.</summary>
    /// <remarks>
    /// If <c>ASPNETCORE_FORWARDEDHEADERS_ENABLED</c> is set, the address comes from the client's <c>X-Forwarded-For</c> header. ASP.NET
    /// Core then keeps the connection's address in <c>X-Original-For</c>: a request with that header is not local.
    /// </remarks>
    public static bool IsLocal(HttpContext context)
    {
        if (context.Request.Headers.ContainsKey(ForwardedHeadersDefaults.XOriginalForHeaderName) || ProxiedRequests.IsMarkedRemote(context))
            return false;
        var address = context.Connection.RemoteIpAddress;
        return address is not null && IPAddress.IsLoopback(address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address);
    }

    /// <summary>The client's address: of the connection, or the forwarded one if <c>ASPNETCORE_FORWARDEDHEADERS_ENABLED</c> is set.</summary>
    /// <returns>Null for a connection that has none (a Unix socket).</returns>
    public static string? AddressOf(HttpContext context) =>
        context.Connection.RemoteIpAddress is not { } address ? null : (address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address).ToString();
}

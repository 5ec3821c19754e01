using System.Net;
using Microsoft.Extensions.Primitives;

namespace OllamaBridge.Simulator.Hosting;

/// <summary>Checks the Origin of a page, and the Host of a request to a loopback server, before any route.</summary>
internal static class Doorkeeper
{
    private const string Headers = "Authorization,Content-Type,User-Agent,Accept,X-Requested-With,X-Stainless-Lang,X-Stainless-Package-Version,"
        + "X-Stainless-Os,X-Stainless-Arch,X-Stainless-Retry-Count,X-Stainless-Runtime,X-Stainless-Runtime-Version,X-Stainless-Async,"
        + "X-Stainless-Helper-Method,X-Stainless-Poll-Helper,X-Stainless-Custom-Poll-Interval,X-Stainless-Timeout";

    private static readonly string[] Schemes = ["app://", "file://", "tauri://", "vscode-webview://", "vscode-file://"];
    private static readonly string[] LocalSuffixes = [".localhost", ".local", ".internal"];

    /// <summary>True if the response has been sent.</summary>
    public static bool Turn(HttpContext http, bool loopback)
    {
        var origin = http.Request.Headers.Origin;
        if (!StringValues.IsNullOrEmpty(origin) && Cors(http, origin.ToString()))
            return true;
        return loopback && !IsLocal(http.Request.Host.Host) && Refuse(http);
    }

    private static bool Cors(HttpContext http, string origin)
    {
        var host = http.Request.Host.Value;
        if (origin == $"http://{host}" || origin == $"https://{host}")
            return false;
        if (!IsAllowed(origin))
            return Refuse(http);
        var headers = http.Response.Headers;
        headers.AccessControlAllowOrigin = origin;
        if (!HttpMethods.IsOptions(http.Request.Method))
        {
            headers.Vary = "Origin";
            return false;
        }
        headers.AccessControlAllowMethods = "GET,POST,PUT,PATCH,DELETE,HEAD,OPTIONS";
        headers.AccessControlAllowHeaders = Headers;
        headers.AccessControlMaxAge = "43200";
        headers.Vary = new StringValues(["Origin", "Access-Control-Request-Method", "Access-Control-Request-Headers"]);
        http.Response.StatusCode = StatusCodes.Status204NoContent;
        return true;
    }

    private static bool Refuse(HttpContext http)
    {
        http.Response.StatusCode = StatusCodes.Status403Forbidden;
        http.Response.ContentLength = 0;
        return true;
    }

    private static bool IsAllowed(string origin) =>
        Array.Exists(Schemes, s => origin.StartsWith(s, StringComparison.Ordinal))
        || (Uri.TryCreate(origin, UriKind.Absolute, out var uri) && uri.Scheme is "http" or "https"
            && uri.Host is "localhost" or "127.0.0.1" or "0.0.0.0");

    private static bool IsLocal(string host)
    {
        if (host.Length == 0 || host == "localhost" || host.Equals(Environment.MachineName, StringComparison.OrdinalIgnoreCase))
            return true;
        if (IPAddress.TryParse(host, out var address))
            return IPAddress.IsLoopback(address) || address.Equals(IPAddress.Any) || address.Equals(IPAddress.IPv6Any) || IsPrivate(address);
        return Array.Exists(LocalSuffixes, s => host.EndsWith(s, StringComparison.OrdinalIgnoreCase));
    }

    private static bool IsPrivate(IPAddress address)
    {
        var bytes = address.GetAddressBytes();
        return bytes.Length == 4
            ? bytes[0] == 10 || (bytes[0] == 172 && bytes[1] is >= 16 and < 32) || (bytes[0] == 192 && bytes[1] == 168)
            : (bytes[0] & 0xFE) == 0xFC;
    }
}

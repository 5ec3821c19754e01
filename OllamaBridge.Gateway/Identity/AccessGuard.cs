using System.Collections.Concurrent;
using System.Net;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Telemetry;

namespace OllamaBridge.Gateway.Identity;

/// <summary>The door: on loopback, no foreign <c>Host</c>; from a browser, no foreign <c>Origin</c>; CORS as a real server does it.</summary>
internal sealed class AccessGuard(IOptions<AccessOptions> options, BridgeMetrics? metrics = null, ILogger<AccessGuard>? logger = null)
{
    private const int MaxLogged = 200;
    private readonly ConcurrentDictionary<(string Header, string Value), bool> _logged = new();
    private static readonly string Machine = Dns.GetHostName();
    private AccessOptions Settings => options.Value;

    /// <summary>Lets a request in or sends it away.</summary>
    public Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        var request = context.Request;
        var response = context.Response;
        // A server's own abilities, and a tunnel: neither is a question to a route (Go's net/http answers the first, no server of Ollama's does the second).
        if (HttpMethods.IsConnect(request.Method))
            return ProtocolStage.RefuseConnect(context);
        var isOptions = HttpMethods.IsOptions(request.Method);
        if (isOptions && context.Features.Get<IHttpRequestFeature>()?.RawTarget == "*")
        {
            response.ContentLength = 0;
            return Task.CompletedTask;
        }

        if (request.Headers.Origin.ToString() is { Length: > 0 } origin)
        {
            if (!IsSameOrigin(origin, request.Host))
            {
                if (!OriginRules.IsAllowed(origin, Settings.Origins))
                    return Refuse(context, "Origin", origin, "this page's Origin is not allowed here; its address belongs into Bridge:Access:Origins");
                if (isOptions)
                {
                    CorsHeaders.WritePreflight(response.Headers, request.Headers, origin);
                    response.StatusCode = StatusCodes.Status204NoContent;
                    return Task.CompletedTask;
                }

                CorsHeaders.Write(response.Headers, origin);
            }
        }

        if (IsLoopback(context.Connection.LocalIpAddress) && !HostRules.IsAllowed(request.Host, Machine, Settings.Hosts))
        {
            if (!ProxiedRequests.CameThroughProxy(request, context.Connection.LocalPort))
                return Refuse(context, "Host", request.Host.Value ?? "", "this Host is not a name of the bridge's machine; a further name belongs into Bridge:Access:Hosts");
            ProxiedRequests.MarkRemote(context);
        }

        if (isOptions)
        {
            response.StatusCode = StatusCodes.Status204NoContent;
            return Task.CompletedTask;
        }

        return next(context);
    }

    private static bool IsLoopback(IPAddress? address) =>
        address is not null && IPAddress.IsLoopback(address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address);

    private static bool IsSameOrigin(string origin, HostString host) =>
        IsSchemeAndHost(origin, "http://", host.Value) || IsSchemeAndHost(origin, "https://", host.Value);

    private static bool IsSchemeAndHost(string origin, string scheme, string? host) =>
        origin.StartsWith(scheme, StringComparison.OrdinalIgnoreCase)
        && origin.AsSpan(scheme.Length).Equals(host, StringComparison.OrdinalIgnoreCase);

    private Task Refuse(HttpContext context, string header, string value, string message)
    {
        metrics?.RecordAccessRefusal(header);
        // Each value once: a page that tries again and again does not fill the log.
        if (logger is not null && _logged.Count < MaxLogged && _logged.TryAdd((header, value), true))
            AccessLog.Refused(logger, header, Printable(value));
        return ProtocolError.WriteAsync(context, OperationTable.ProtocolOf(context.Request.Path.Value ?? "/"), StatusCodes.Status403Forbidden, message);
    }

    private static string Printable(string value) =>
        string.Create(Math.Min(value.Length, 100), value, static (span, text) =>
        {
            for (var i = 0; i < span.Length; i++)
                span[i] = text[i] is >= ' ' and <= '~' ? text[i] : '?';
        });
}

/// <summary>Log messages of the guard. Event ids 1490–1499.</summary>
internal static partial class AccessLog
{
    [LoggerMessage(1490, LogLevel.Warning, "Requests with a foreign {Header} are refused: {Value}")]
    public static partial void Refused(ILogger logger, string header, string value);
}

using System.Collections.Concurrent;
using System.Net;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Common;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Pipeline;

/// <summary>Refuses foreign <c>Host</c> headers on loopback and foreign <c>Origin</c> headers, and writes CORS headers as Ollama does.</summary>
internal sealed class AccessStage(IOptions<AccessOptions> options, AccessMetrics? metrics = null, ILogger<AccessStage>? logger = null) : IRequestStage
{
    private const int MaxLogged = 200;
    private readonly ConcurrentDictionary<(string Header, string Value), bool> _logged = new();
    private static readonly string Machine = Dns.GetHostName();
    private AccessOptions Settings => options.Value;

    public Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        var request = context.Request;
        var response = context.Response;
        // OPTIONS * and CONNECT concern no route. Go's net/http handles the first; no server of Ollama's supports the second.
        if (HttpMethods.IsConnect(request.Method))
            return RouterResponse.RejectConnectAsync(context);
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
                    return Refuse(context, "Origin", origin, "this page's Origin is not allowed; add it to Bridge:Access:Origins");
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
                return Refuse(context, "Host", request.Host.Value ?? "", "this Host is not a name of the bridge's machine; add it to Bridge:Access:Hosts");
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
        // Each value is logged once, so that repeated requests of a page don't fill the log.
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
    [LoggerMessage(EventIds.Access.Refused, LogLevel.Warning, "Refused requests with a foreign {Header}: {Value}")]
    public static partial void Refused(ILogger logger, string header, string value);
}

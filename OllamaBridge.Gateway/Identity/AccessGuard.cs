using System.Net;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Identity;

/// <summary>The door: on loopback, no foreign <c>Host</c>; from a browser, no foreign <c>Origin</c>; CORS as a real server does it.</summary>
internal sealed class AccessGuard(IOptions<AccessOptions> options)
{
    private static readonly string Machine = Dns.GetHostName();
    private readonly AccessOptions _options = options.Value;

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
                if (!OriginRules.IsAllowed(origin, _options.Origins))
                    return Refuse(response);
                if (isOptions)
                {
                    CorsHeaders.WritePreflight(response.Headers, request.Headers, origin);
                    response.StatusCode = StatusCodes.Status204NoContent;
                    return Task.CompletedTask;
                }

                CorsHeaders.Write(response.Headers, origin);
            }
        }

        if (IsLoopback(context.Connection.LocalIpAddress) && !HostRules.IsAllowed(request.Host, Machine, _options.Hosts))
        {
            if (!ProxiedRequests.CameThroughProxy(request, context.Connection.LocalPort))
                return Refuse(response);
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

    private static Task Refuse(HttpResponse response)
    {
        response.StatusCode = StatusCodes.Status403Forbidden;
        response.ContentLength = 0;
        return Task.CompletedTask;
    }
}

using System.Net;
using Microsoft.Extensions.Options;

namespace OllamaBridge.Gateway.Identity;

/// <summary>The door: on loopback, no foreign <c>Host</c>; from a browser, no foreign <c>Origin</c>; CORS as a real server does it.</summary>
internal sealed class AccessGuard(IOptions<AccessOptions> options) 
{
    // What gin-contrib/cors answers as Ollama configures it (server/routes.go, 0.32.15).
    private const string Methods = "GET,POST,PUT,PATCH,DELETE,HEAD,OPTIONS";
    private const string Headers = "Authorization,Content-Type,User-Agent,Accept,X-Requested-With,Openai-Beta,X-Stainless-Arch,"
        + "X-Stainless-Async,X-Stainless-Custom-Poll-Interval,X-Stainless-Helper-Method,X-Stainless-Lang,X-Stainless-Os,"
        + "X-Stainless-Package-Version,X-Stainless-Poll-Helper,X-Stainless-Retry-Count,X-Stainless-Runtime,"
        + "X-Stainless-Runtime-Version,X-Stainless-Timeout,X-Api-Key,Anthropic-Version,Anthropic-Beta,"
        + "Anthropic-Dangerous-Direct-Browser-Access";
    private static readonly string Machine = Dns.GetHostName();
    private readonly AccessOptions _options = options.Value;

    /// <summary>Lets a request in or sends it away.</summary>
    public Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        var request = context.Request;
        var response = context.Response;
        var isOptions = HttpMethods.IsOptions(request.Method);
        if (request.Headers.Origin.ToString() is { Length: > 0 } origin)
        {
            if (!IsSameOrigin(origin, request.Host))
            {
                if (!OriginRules.IsAllowed(origin, _options.Origins))
                    return Refuse(response);
                response.Headers.AccessControlAllowOrigin = origin;
                response.Headers.Vary = "Origin";
                if (isOptions)
                {
                    response.Headers.AccessControlAllowMethods = Methods;
                    response.Headers.AccessControlAllowHeaders = Headers;
                    response.Headers.AccessControlMaxAge = "43200";
                    response.StatusCode = StatusCodes.Status204NoContent;
                    return Task.CompletedTask;
                }
            }
        }

        if (IsLoopback(context.Connection.LocalIpAddress) && !HostRules.IsAllowed(request.Host, Machine, _options.Hosts))
            return Refuse(response);
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

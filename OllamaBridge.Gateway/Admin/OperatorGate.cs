using Microsoft.AspNetCore.Routing.Patterns;
using OllamaBridge.Gateway.Discovery;
using OllamaBridge.Gateway.Pipeline;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Admin;

/// <summary>
/// Decides which of the bridge's own routes a request may use: by its listener, by the spelling of the path, and for
/// metrics, health and the API's description by its key. The routes under <c>/bridge</c> check keys themselves.
/// </summary>
internal sealed class OperatorGate(AdminListener listener, TenantDirectory directory, RequestAuthenticator identity, EndpointDataSource routes) : IRequestStage
{
    private const string Metrics = "/metrics";
    private const string Health = "/health";
    private const string Alive = "/alive";

    /// <summary>Marks a request for <c>/health</c> whose response has no body.</summary>
    public static readonly object WithoutDetails = new();

    public async Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        if (context.GetEndpoint() is { } endpoint && !IsExact(endpoint, context.Request.Path.Value!))
            // Ollama's router and the rules of proxies compare paths exactly.
            context.SetEndpoint(endpoint = null);
        else
            endpoint = context.GetEndpoint();
        if (endpoint is null)
        {
            if (listener.Exists && listener.Received(context))
                await RouterResponse.NotFoundAsync(context);
            else
                await next(context);
            return;
        }

        var path = context.Request.Path.Value!.TrimEnd('/');
        var isOpen = path is Alive or Health;
        if (listener.Exists && !listener.Received(context) && !isOpen && path != PeerBridge.Path)
        {
            context.SetEndpoint(null);
            await RouterResponse.NotFoundAsync(context);
            return;
        }

        if (path is Metrics or Health or ApiDescription.Path && await RefusalAsync(context) is { } status)
        {
            if (path == Health)
            {
                context.Items[WithoutDetails] = true;
            }
            else
            {
                await RefuseAsync(context, status);
                return;
            }
        }

        await next(context);
    }

    /// <returns>The status of the refusal; null if the request may use the operators' routes.</returns>
    private async ValueTask<int?> RefusalAsync(HttpContext context)
    {
        // The network protects the operators' listener. Without keys there is nothing to check.
        if (listener.Received(context) || !directory.KeysRequired)
            return null;
        return await identity.AuthorizeAdminAsync(context, Scopes.Metrics);
    }

    private static Task RefuseAsync(HttpContext context, int status)
    {
        context.SetEndpoint(null);
        if (status == StatusCodes.Status401Unauthorized)
            context.Response.Headers.WWWAuthenticate = "Bearer";
        return TypedResults.Problem("This route requires an API key with the scope Metrics or Admin, or the listener of Bridge:Admin:Urls.", statusCode: status)
            .ExecuteAsync(context);
    }

    /// <summary>Whether a path is spelled exactly as its route. The framework's endpoint for a wrong method has no route, so all routes are compared.</summary>
    private bool IsExact(Endpoint endpoint, string path)
    {
        if (endpoint is RouteEndpoint route)
            return IsExact(route.RoutePattern, path);
        foreach (var known in routes.Endpoints)
            if (known is RouteEndpoint other && IsExact(other.RoutePattern, path))
                return true;
        return false;
    }

    private static bool IsExact(RoutePattern pattern, string path)
    {
        var rest = path.AsSpan().Trim('/');
        foreach (var segment in pattern.PathSegments)
        {
            if (rest.IsEmpty)
                return false;
            var end = rest.IndexOf('/');
            var written = end < 0 ? rest : rest[..end];
            if (segment is { IsSimple: true, Parts: [RoutePatternLiteralPart literal] } && !written.SequenceEqual(literal.Content))
                return false;
            rest = end < 0 ? default : rest[(end + 1)..];
        }

        return rest.IsEmpty;
    }
}

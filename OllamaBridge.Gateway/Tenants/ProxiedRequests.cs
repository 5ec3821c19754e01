namespace OllamaBridge.Gateway.Tenants;

/// <summary>
/// Recognizes requests that a reverse proxy on this machine forwards under their outer host name. A page whose name resolves to 127.0.0.1 (DNS
/// rebinding) can set any <c>X-Forwarded-For</c>, but no <c>Host</c>: the browser writes the page's own port there, which is the port that the bridge
/// listens on. A host with another port belongs to another server, the proxy.
/// </summary>
internal static class ProxiedRequests
{
    private const int HttpPort = 80;
    private const int HttpsPort = 443;

    /// <summary>Whether a request with a foreign host name came through a reverse proxy. <paramref name="localPort"/> is the port of its connection.</summary>
    public static bool CameThroughProxy(HttpRequest request, int localPort) =>
        (request.Headers.ContainsKey("X-Forwarded-For") || request.Headers.ContainsKey("Forwarded") || request.Headers.ContainsKey("X-Real-IP"))
        && (request.Host.Port is { } port ? port != localPort : localPort is not (HttpPort or HttpsPort));

    /// <summary>Marks a request as not local: its sender is the proxy's client.</summary>
    public static void MarkRemote(HttpContext context) => context.Features.Set(Mark.Instance);

    public static bool IsMarkedRemote(HttpContext context) => context.Features.Get<Mark>() is not null;

    private sealed class Mark
    {
        public static readonly Mark Instance = new();
    }
}

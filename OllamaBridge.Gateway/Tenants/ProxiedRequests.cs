namespace OllamaBridge.Gateway.Tenants;

/// <summary>Recognizes requests from a proxy on this machine: their <c>Host</c> has another port than the bridge's, which a rebinding page can't send.</summary>
internal static class ProxiedRequests
{
    private const int HttpPort = 80;
    private const int HttpsPort = 443;

    /// <summary><paramref name="localPort"/> is the port of the request's connection.</summary>
    public static bool CameThroughProxy(HttpRequest request, int localPort) =>
        (request.Headers.ContainsKey("X-Forwarded-For") || request.Headers.ContainsKey("Forwarded") || request.Headers.ContainsKey("X-Real-IP"))
        && (request.Host.Port is { } port ? port != localPort : localPort is not (HttpPort or HttpsPort));

    public static void MarkRemote(HttpContext context) => context.Features.Set(Mark.Instance);

    public static bool IsMarkedRemote(HttpContext context) => context.Features.Get<Mark>() is not null;

    private sealed class Mark
    {
        public static readonly Mark Instance = new();
    }
}

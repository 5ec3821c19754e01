namespace OllamaBridge.Gateway.Forwarding;

/// <summary>Disables response buffering in a reverse proxy in front of the bridge. nginx buffers responses by default.</summary>
internal static class ProxyBuffering
{
    private const string Header = "X-Accel-Buffering";

    public static void Disable(IHeaderDictionary response) => response[Header] = "no";
}

namespace OllamaBridge.Gateway.Forwarding;

/// <summary>Tells a reverse proxy in front of the bridge to pass a stream on as it comes. nginx with its defaults collects it otherwise.</summary>
internal static class ProxyBuffering
{
    private const string Header = "X-Accel-Buffering";

    /// <summary>Adds the header to a response that is streamed.</summary>
    public static void Disable(IHeaderDictionary response) => response[Header] = "no";
}

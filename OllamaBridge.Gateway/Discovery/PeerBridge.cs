namespace OllamaBridge.Gateway.Discovery;

/// <summary>Marks an instance as the bridge of another region; <c>Self</c> is the name of this region. Compared by value.</summary>
internal sealed record PeerBridge(string Self, TimeSpan PollInterval)
{
    /// <summary>Request header with the passed regions, separated by commas. Not authenticated: a client that sends it only limits its own routing.</summary>
    public const string Header = "X-Bridge-Regions";

    public const string Path = "/bridge/region";
}

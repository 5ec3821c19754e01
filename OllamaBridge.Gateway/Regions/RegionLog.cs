namespace OllamaBridge.Gateway.Regions;

/// <summary>What is said about regions in the log. Event ids 1670–1699.</summary>
internal static partial class RegionLog
{
    [LoggerMessage(1670, LogLevel.Warning, "Region {Peer} is not used: {Mistake} (Bridge:Regions)")]
    public static partial void Mistaken(ILogger logger, string peer, string mistake);

    [LoggerMessage(1671, LogLevel.Warning, "A request for {Operation} came back to region {Region}: two regions have one name, or one has another's address")]
    public static partial void Loop(ILogger logger, string operation, string region);
}

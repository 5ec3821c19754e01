using OllamaBridge.Gateway.Common;

namespace OllamaBridge.Gateway.Fleet.Regions;

/// <summary>Log messages of regions. Event ids 1670–1699.</summary>
internal static partial class RegionLog
{
    [LoggerMessage(EventIds.Region.Mistaken, LogLevel.Warning, "Ignoring region {Peer}: {Mistake} (Bridge:Regions)")]
    public static partial void Mistaken(ILogger logger, string peer, string mistake);

    [LoggerMessage(
        EventIds.Region.Loop, LogLevel.Warning, "Rejected a routing loop of {Operation} in region {Region}: two regions share a name, or a peer has a wrong URL")]
    public static partial void Loop(ILogger logger, string operation, string region);
}

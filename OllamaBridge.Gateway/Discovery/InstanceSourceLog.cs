using OllamaBridge.Gateway.Common;

namespace OllamaBridge.Gateway.Discovery;

/// <summary>Log messages of the configured instances. Event ids 1005–1006.</summary>
internal static partial class InstanceSourceLog
{
    [LoggerMessage(EventIds.InstanceSource.BadConfiguration, LogLevel.Error, "Changed configuration rejected, the fleet keeps its instances: {Errors}")]
    public static partial void BadConfiguration(ILogger logger, string errors);

    [LoggerMessage(EventIds.InstanceSource.LookupFailed, LogLevel.Warning, "DNS lookup failed for {Host} ({Error}), its instances are kept")]
    public static partial void LookupFailed(ILogger logger, string host, System.Net.Sockets.SocketError error);
}

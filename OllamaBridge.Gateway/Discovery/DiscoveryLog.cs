using OllamaBridge.Gateway.Common;

namespace OllamaBridge.Gateway.Discovery;

/// <summary>Log messages about the discovery of instances. Event ids 1650–1669.</summary>
internal static partial class DiscoveryLog
{
    [LoggerMessage(EventIds.Discovery.NoRecords, LogLevel.Warning, "DNS records unavailable, keeping the last known instances: {Problem}")]
    public static partial void NoRecords(ILogger logger, string problem);

    [LoggerMessage(EventIds.Discovery.RecordsAgain, LogLevel.Information, "DNS records available again for {Host}: {Count} instances")]
    public static partial void RecordsAgain(ILogger logger, string host, int count);

    [LoggerMessage(EventIds.Discovery.NoEndpoints, LogLevel.Warning, "Kubernetes endpoints unavailable, keeping the last known instances: {Problem}")]
    public static partial void NoEndpoints(ILogger logger, string problem);

    [LoggerMessage(EventIds.Discovery.EndpointsAgain, LogLevel.Information, "Kubernetes endpoints available again for {Service}")]
    public static partial void EndpointsAgain(ILogger logger, string service);

    [LoggerMessage(EventIds.Discovery.ListedAnew, LogLevel.Debug, "Kubernetes watch expired for {Service}, listing its endpoints again")]
    public static partial void ListedAnew(ILogger logger, string service);

    [LoggerMessage(EventIds.Discovery.Leaves, LogLevel.Information, "Instance {Instance} is no longer in its group: it finishes its requests and gets no new ones")]
    public static partial void Leaves(ILogger logger, string instance);

    [LoggerMessage(EventIds.Discovery.NoInstanceFound, LogLevel.Warning, "No instance found yet: requests get status 503 until discovery finds one")]
    public static partial void NoInstanceFound(ILogger logger);
}

namespace OllamaBridge.Gateway.Fleet.Discovery;

/// <summary>What is said in the log of looking for instances. Event ids 1650–1669.</summary>
internal static partial class DiscoveryLog
{
    [LoggerMessage(1650, LogLevel.Warning, "{Problem}: its instances stay as they were")]
    public static partial void NoRecords(ILogger logger, string problem);

    [LoggerMessage(1651, LogLevel.Information, "DNS tells again who is behind {Host}: {Count} instances")]
    public static partial void RecordsAgain(ILogger logger, string host, int count);

    [LoggerMessage(1652, LogLevel.Warning, "{Problem}: its instances stay as they were")]
    public static partial void NoEndpoints(ILogger logger, string problem);

    [LoggerMessage(1653, LogLevel.Information, "Kubernetes tells again who is behind {Service}")]
    public static partial void EndpointsAgain(ILogger logger, string service);

    [LoggerMessage(1654, LogLevel.Debug, "The endpoints of {Service} are listed anew: what was known is too old to go on from")]
    public static partial void ListedAnew(ILogger logger, string service);

    [LoggerMessage(1655, LogLevel.Information, "Instance {Instance} is told of no longer: it finishes what it has and gets nothing new")]
    public static partial void Leaves(ILogger logger, string instance);

    [LoggerMessage(1656, LogLevel.Warning, "No instance was found yet. Requests are answered with 503 until one is")]
    public static partial void NobodyFound(ILogger logger);
}

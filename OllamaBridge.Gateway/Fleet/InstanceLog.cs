using OllamaBridge.Gateway.Common;

namespace OllamaBridge.Gateway.Fleet;

/// <summary>Log messages of instances. Event ids 1000–1004.</summary>
internal static partial class InstanceLog
{
    [LoggerMessage(EventIds.Instance.NoInstances, LogLevel.Warning,
        "No instance is configured: set Bridge:Urls (environment Bridge__Urls) or Bridge:Instances:0:Url. Requests get 503 until then")]
    public static partial void NoInstances(ILogger logger);

    [LoggerMessage(EventIds.Instance.Added, LogLevel.Information, "Instance {Instance} added: {Url}, {Slots} slots")]
    public static partial void Added(ILogger logger, string instance, Uri url, int slots);

    [LoggerMessage(EventIds.Instance.Removed, LogLevel.Information, "Instance {Instance} removed")]
    public static partial void Removed(ILogger logger, string instance);

    [LoggerMessage(EventIds.Instance.StatusChanged, LogLevel.Information, "Instance {Instance} is {Status}: {Reason}")]
    public static partial void StatusChanged(ILogger logger, string instance, InstanceStatus status, string reason);

    [LoggerMessage(EventIds.Instance.Draining, LogLevel.Information, "Instance {Instance} draining: {Draining}")]
    public static partial void Draining(ILogger logger, string instance, bool draining);
}

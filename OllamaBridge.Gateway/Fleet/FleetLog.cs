namespace OllamaBridge.Gateway.Fleet;

/// <summary>Log messages of the fleet. Event ids 1000–1099.</summary>
internal static partial class FleetLog
{
    [LoggerMessage(1000, LogLevel.Warning,
        "No instance is configured: set Bridge:Urls (environment Bridge__Urls) or Bridge:Instances:0:Url. Requests get 503 until then")]
    public static partial void NoInstances(ILogger logger);

    [LoggerMessage(1001, LogLevel.Information, "Instance {Instance} added: {Url}, {Slots} slots")]
    public static partial void Added(ILogger logger, string instance, Uri url, int slots);

    [LoggerMessage(1002, LogLevel.Information, "Instance {Instance} removed")]
    public static partial void Removed(ILogger logger, string instance);

    [LoggerMessage(1003, LogLevel.Information, "Instance {Instance} is {Status}: {Reason}")]
    public static partial void StatusChanged(ILogger logger, string instance, InstanceStatus status, string reason);

    [LoggerMessage(1004, LogLevel.Information, "Instance {Instance} draining: {Draining}")]
    public static partial void Draining(ILogger logger, string instance, bool draining);

    [LoggerMessage(1005, LogLevel.Error, "Changed configuration rejected, the fleet keeps its instances: {Errors}")]
    public static partial void BadConfiguration(ILogger logger, string errors);

    [LoggerMessage(1006, LogLevel.Warning, "DNS lookup failed for {Host} ({Error}), its instances are kept")]
    public static partial void LookupFailed(ILogger logger, string host, System.Net.Sockets.SocketError error);

    [LoggerMessage(1007, LogLevel.Error, "Shared fleet state cannot be read; this gateway continues with its own state")]
    public static partial void ExchangeFailed(ILogger logger, Exception exception);

    [LoggerMessage(1008, LogLevel.Warning,
        "Instance {Instance} added at run time is not used: another instance has its name or its address {Url}")]
    public static partial void StandsBack(ILogger logger, string instance, Uri url);

    [LoggerMessage(1009, LogLevel.Information, "Instance {Instance} is drained until {Deadline:O}")]
    public static partial void DrainingUntil(ILogger logger, string instance, DateTimeOffset deadline);

    [LoggerMessage(1010, LogLevel.Warning,
        "Digest mismatch for {Model}: {Instance} has {Digest}, the fleet serves {Served}. The instance gets no requests for it; pull the model there, or set Bridge:Models:N:Digest")]
    public static partial void DigestMismatch(ILogger logger, string model, string instance, string digest, string served);

    [LoggerMessage(1011, LogLevel.Information,
        "Weights of {Model} on {Instance} cannot be read from /api/show; names with the same weights are unknown. Next attempt after {Minutes} min")]
    public static partial void WeightsUnknown(ILogger logger, string model, string instance, double minutes);
}

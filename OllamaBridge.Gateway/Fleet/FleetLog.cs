using OllamaBridge.Gateway.Common;

namespace OllamaBridge.Gateway.Fleet;

/// <summary>Log messages of the fleet. Event ids 1000–1099.</summary>
internal static partial class FleetLog
{
    [LoggerMessage(EventIds.Fleet.NoInstances, LogLevel.Warning,
        "No instance is configured: set Bridge:Urls (environment Bridge__Urls) or Bridge:Instances:0:Url. Requests get 503 until then")]
    public static partial void NoInstances(ILogger logger);

    [LoggerMessage(EventIds.Fleet.Added, LogLevel.Information, "Instance {Instance} added: {Url}, {Slots} slots")]
    public static partial void Added(ILogger logger, string instance, Uri url, int slots);

    [LoggerMessage(EventIds.Fleet.Removed, LogLevel.Information, "Instance {Instance} removed")]
    public static partial void Removed(ILogger logger, string instance);

    [LoggerMessage(EventIds.Fleet.StatusChanged, LogLevel.Information, "Instance {Instance} is {Status}: {Reason}")]
    public static partial void StatusChanged(ILogger logger, string instance, InstanceStatus status, string reason);

    [LoggerMessage(EventIds.Fleet.Draining, LogLevel.Information, "Instance {Instance} draining: {Draining}")]
    public static partial void Draining(ILogger logger, string instance, bool draining);

    [LoggerMessage(EventIds.Fleet.BadConfiguration, LogLevel.Error, "Changed configuration rejected, the fleet keeps its instances: {Errors}")]
    public static partial void BadConfiguration(ILogger logger, string errors);

    [LoggerMessage(EventIds.Fleet.LookupFailed, LogLevel.Warning, "DNS lookup failed for {Host} ({Error}), its instances are kept")]
    public static partial void LookupFailed(ILogger logger, string host, System.Net.Sockets.SocketError error);

    [LoggerMessage(EventIds.Fleet.ExchangeFailed, LogLevel.Error, "Shared fleet state cannot be read; this gateway continues with its own state")]
    public static partial void ExchangeFailed(ILogger logger, Exception exception);

    [LoggerMessage(EventIds.Fleet.StandsBack, LogLevel.Warning,
        "Instance {Instance} added at run time is not used: another instance has its name or its address {Url}")]
    public static partial void StandsBack(ILogger logger, string instance, Uri url);

    [LoggerMessage(EventIds.Fleet.DrainingUntil, LogLevel.Information, "Instance {Instance} is drained until {Deadline:O}")]
    public static partial void DrainingUntil(ILogger logger, string instance, DateTimeOffset deadline);

    [LoggerMessage(EventIds.Fleet.DigestMismatch, LogLevel.Warning,
        "Digest mismatch for {Model}: {Instance} has {Digest}, the fleet serves {Served}. The instance gets no requests for it; pull the model there, or set Bridge:Models:N:Digest")]
    public static partial void DigestMismatch(ILogger logger, string model, string instance, string digest, string served);

    [LoggerMessage(EventIds.Fleet.WeightsUnknown, LogLevel.Information,
        "Weights of {Model} on {Instance} cannot be read from /api/show; names with the same weights are unknown. Next attempt after {Minutes} min")]
    public static partial void WeightsUnknown(ILogger logger, string model, string instance, double minutes);
}

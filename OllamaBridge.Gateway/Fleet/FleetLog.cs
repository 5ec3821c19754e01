using OllamaBridge.Gateway.Common;

namespace OllamaBridge.Gateway.Fleet;

/// <summary>Log messages of the fleet. Event ids 1007–1049.</summary>
internal static partial class FleetLog
{
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

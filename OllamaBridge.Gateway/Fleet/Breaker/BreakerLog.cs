using OllamaBridge.Gateway.Common;

namespace OllamaBridge.Gateway.Fleet.Breaker;

/// <summary>Log messages about single models on instances. Event ids 1050–1099.</summary>
internal static partial class BreakerLog
{
    [LoggerMessage(EventIds.Breaker.Opened, LogLevel.Warning, "Circuit opened for {Model} on {Instance} for {Seconds} s: requests failed ({Failure})")]
    public static partial void Opened(ILogger logger, string model, string instance, InstanceFailure failure, double seconds);

    [LoggerMessage(EventIds.Breaker.Closed, LogLevel.Information, "Circuit closed for {Model} on {Instance}")]
    public static partial void Closed(ILogger logger, string model, string instance);

    [LoggerMessage(EventIds.Breaker.Slowed, LogLevel.Warning, "Slow model {Model} on {Instance}, used only if no other instance has it: {Speed:0.#} tokens a second, usually {Usual:0.#}")]
    public static partial void Slowed(ILogger logger, string model, string instance, double speed, double usual);

    [LoggerMessage(EventIds.Breaker.Recovered, LogLevel.Information, "Speed recovered for {Model} on {Instance}: {Speed:0.#} tokens a second")]
    public static partial void Recovered(ILogger logger, string model, string instance, double speed);

    [LoggerMessage(EventIds.Breaker.Limited, LogLevel.Warning, "Slots limited on {Instance} to {Parallel} parallel requests of {Model} instead of {Slots}, for {Minutes} minutes")]
    public static partial void Limited(ILogger logger, string model, string instance, int parallel, int slots, double minutes);

    [LoggerMessage(EventIds.Breaker.Busy, LogLevel.Information, "Backing off from {Model} on {Instance} for {Seconds} s: the instance is busy")]
    public static partial void Busy(ILogger logger, string model, string instance, double seconds);
}

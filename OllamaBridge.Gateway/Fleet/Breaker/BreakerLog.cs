namespace OllamaBridge.Gateway.Fleet.Breaker;

/// <summary>What is said in the log of single models on instances. Event ids 1050–1099.</summary>
internal static partial class BreakerLog
{
    [LoggerMessage(1050, LogLevel.Warning, "{Model} on {Instance} gets nothing for {Seconds} s: its requests failed there ({Failure})")]
    public static partial void Opened(ILogger logger, string model, string instance, InstanceFailure failure, double seconds);

    [LoggerMessage(1051, LogLevel.Information, "{Model} on {Instance} answers again")]
    public static partial void Closed(ILogger logger, string model, string instance);

    [LoggerMessage(1052, LogLevel.Warning, "{Model} on {Instance} is used only where nobody else has it: {Speed:0.#} tokens a second, usually {Usual:0.#}")]
    public static partial void Slowed(ILogger logger, string model, string instance, double speed, double usual);

    [LoggerMessage(1053, LogLevel.Information, "{Model} on {Instance} is as fast as it was: {Speed:0.#} tokens a second")]
    public static partial void Recovered(ILogger logger, string model, string instance, double speed);

    [LoggerMessage(1055, LogLevel.Warning, "{Instance} runs {Parallel} requests of {Model} at once, not {Slots}: its slots for the model are limited to that for {Minutes} minutes")]
    public static partial void Limited(ILogger logger, string model, string instance, int parallel, int slots, double minutes);

    [LoggerMessage(1054, LogLevel.Information, "{Model} on {Instance} is busy and left alone for {Seconds} s")]
    public static partial void Busy(ILogger logger, string model, string instance, double seconds);
}

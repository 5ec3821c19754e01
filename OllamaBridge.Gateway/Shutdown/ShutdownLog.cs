namespace OllamaBridge.Gateway.Shutdown;

/// <summary>What is said of the end. Event ids 1900–1999.</summary>
internal static partial class ShutdownLog
{
    [LoggerMessage(1900, LogLevel.Information, "Stopping: requests are taken for {Delay} s more; {Running} are under way and may go on for {Seconds} s")]
    public static partial void Stopping(ILogger logger, int running, double delay, double seconds);

    [LoggerMessage(1901, LogLevel.Warning, "{Running} requests have not ended in time and end with an error")]
    public static partial void Ending(ILogger logger, int running);
}

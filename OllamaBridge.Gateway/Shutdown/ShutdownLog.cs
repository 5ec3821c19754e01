using OllamaBridge.Gateway.Common;

namespace OllamaBridge.Gateway.Shutdown;

/// <summary>Log messages of the shutdown. Event ids 1900–1999.</summary>
internal static partial class ShutdownLog
{
    [LoggerMessage(EventIds.Shutdown.Stopping, LogLevel.Information, "Shutting down: accepting requests for {Delay} s more; {Running} running requests have {Seconds} s to finish")]
    public static partial void Stopping(ILogger logger, int running, double delay, double seconds);

    [LoggerMessage(EventIds.Shutdown.Ending, LogLevel.Warning, "Grace period over: ending {Running} requests with an error")]
    public static partial void Ending(ILogger logger, int running);
}

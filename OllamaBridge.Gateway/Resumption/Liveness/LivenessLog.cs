using OllamaBridge.Gateway.Common;

namespace OllamaBridge.Gateway.Resumption.Liveness;

/// <summary>Log messages about liveness. Event ids 1280–1299.</summary>
internal static partial class LivenessLog
{
    [LoggerMessage(EventIds.Liveness.Changed, LogLevel.Information, "Liveness of {Model} on {Instance} changed to {State}; no response to a check for {Seconds:0.0}s")]
    public static partial void Changed(ILogger logger, string model, string instance, LivenessState state, double seconds);
}

using OllamaBridge.Gateway.Catalog;
using OllamaBridge.Gateway.Common;
using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Forwarding;

/// <summary>Log messages of forwarding. Event ids 1200–1299.</summary>
internal static partial class ForwardingLog
{
    [LoggerMessage(EventIds.Forwarding.AttemptFailed, LogLevel.Warning, "Attempt {Attempt} of {Operation} failed on instance {Instance} ({Failure}): {Next}")]
    public static partial void AttemptFailed(ILogger logger, string operation, string instance, InstanceFailure failure, int attempt, string next);

    [LoggerMessage(EventIds.Forwarding.Truncated, LogLevel.Warning, "Response of {Operation} from instance {Instance} broke off; ended it with an error")]
    public static partial void Truncated(ILogger logger, string operation, string instance);

    [LoggerMessage(EventIds.Forwarding.Taken, LogLevel.Information, "Attempt withdrawn from instance {Instance} before its response began: {Operation} ({Reason})")]
    public static partial void Taken(ILogger logger, string operation, string instance, InstanceFailure reason);

    [LoggerMessage(EventIds.Forwarding.ConnectionFailed, LogLevel.Warning, "Connection to instance {Instance} failed: {Reason}")]
    public static partial void ConnectionFailed(ILogger logger, string instance, string reason);

    [LoggerMessage(EventIds.Forwarding.TlsFilesUnreadable, LogLevel.Warning, "Changed TLS file cannot be used; the previous certificates stay in use: {Reason}")]
    public static partial void TlsFilesUnreadable(ILogger logger, string reason);

    [LoggerMessage(EventIds.Forwarding.StandsIn, LogLevel.Warning, "Fallback to {Model} for {Asked} ({Cause})")]
    public static partial void StandsIn(ILogger logger, string model, string asked, FallbackCause cause);

    [LoggerMessage(EventIds.Forwarding.UnloadFailed, LogLevel.Warning, "Unload of {Model} on {Instance} failed: {Error}")]
    public static partial void UnloadFailed(ILogger logger, string model, string instance, string error);
}

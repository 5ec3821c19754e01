namespace OllamaBridge.Gateway.Forwarding.Continuation;

/// <summary>What is said of answers that broke off. Event ids 1250–1299. Never anything of the answer.</summary>
internal static partial class ContinuationLog
{
    [LoggerMessage(1250, LogLevel.Warning, "An answer of {Operation} from instance {Instance} broke off ({Cause})")]
    public static partial void Interrupted(ILogger logger, string operation, string instance, Interruption cause);

    [LoggerMessage(1251, LogLevel.Warning, "Instance {Instance} does not go on with an answer of {Operation} by {Path}")]
    public static partial void Refused(ILogger logger, string operation, string instance, string path);

    [LoggerMessage(1252, LogLevel.Warning, "An answer of {Operation} that instance {Instance} began was ended with an error ({Cause}): {Reason}")]
    public static partial void GivenUp(ILogger logger, string operation, string instance, Interruption cause, string reason);

    [LoggerMessage(1253, LogLevel.Information, "An answer of {Operation} was taken from instance {Instance} ({Cause})")]
    public static partial void Taken(ILogger logger, string operation, string instance, Interruption cause);
}

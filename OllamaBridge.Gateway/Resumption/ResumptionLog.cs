using OllamaBridge.Gateway.Common;

namespace OllamaBridge.Gateway.Resumption;

/// <summary>Log messages about interrupted responses, without any of their content. Event ids 1250–1279.</summary>
internal static partial class ResumptionLog
{
    [LoggerMessage(EventIds.Resumption.Interrupted, LogLevel.Warning, "Response of {Operation} from instance {Instance} interrupted ({Cause})")]
    public static partial void Interrupted(ILogger logger, string operation, string instance, Interruption cause);

    [LoggerMessage(EventIds.Resumption.Refused, LogLevel.Warning, "Resumption on instance {Instance} failed for {Operation} by {Path}")]
    public static partial void Refused(ILogger logger, string operation, string instance, string path);

    [LoggerMessage(EventIds.Resumption.GivenUp, LogLevel.Warning, "Response of {Operation} begun by instance {Instance} ended with an error ({Cause}): {Reason}")]
    public static partial void GivenUp(ILogger logger, string operation, string instance, Interruption cause, string reason);

    [LoggerMessage(EventIds.Resumption.Taken, LogLevel.Information, "Response of {Operation} withdrawn from instance {Instance} ({Cause})")]
    public static partial void Taken(ILogger logger, string operation, string instance, Interruption cause);
}

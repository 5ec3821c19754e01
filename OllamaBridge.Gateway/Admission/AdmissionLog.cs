namespace OllamaBridge.Gateway.Admission;

/// <summary>What admission says in the log. Event ids 1500–1599.</summary>
internal static partial class AdmissionLog
{
    [LoggerMessage(1500, LogLevel.Error, "What stands in the shared state of limits cannot be read: this gateway goes on with its own part")]
    public static partial void ExchangeFailed(ILogger logger, Exception exception);
}

namespace OllamaBridge.Gateway.Accounting;

/// <summary>What accounting says in the log. Event ids 1300–1399.</summary>
internal static partial class AccountingLog
{
    [LoggerMessage(1300, LogLevel.Debug, "The client's connection broke during {Operation} ({Kind})")]
    public static partial void ConnectionBroke(ILogger logger, string operation, string kind);

    [LoggerMessage(1301, LogLevel.Error, "{Operation} failed in the bridge itself")]
    public static partial void Unexpected(ILogger logger, string operation, Exception exception);
}

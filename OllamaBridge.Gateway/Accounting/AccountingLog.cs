using OllamaBridge.Gateway.Common;

namespace OllamaBridge.Gateway.Accounting;

/// <summary>Log messages of accounting. Event ids 1300–1399.</summary>
internal static partial class AccountingLog
{
    [LoggerMessage(EventIds.Accounting.ConnectionBroke, LogLevel.Debug, "Client connection lost during {Operation} ({Kind})")]
    public static partial void ConnectionBroke(ILogger logger, string operation, string kind);

    [LoggerMessage(EventIds.Accounting.Unexpected, LogLevel.Error, "Unhandled exception during {Operation}")]
    public static partial void Unexpected(ILogger logger, string operation, Exception exception);

    /// <summary>The access log line of a request. Its values are bounded: a model that the fleet does not have is logged as "other".</summary>
    [LoggerMessage(
        EventIds.Accounting.Ended,
        LogLevel.Information,
        "{Operation} {Model} {Outcome} {Status} in {Seconds} s (queued {QueuedSeconds} s): tenant {Tenant}, instance {Instance}, attempts {Attempts}, tokens {InputTokens}+{OutputTokens}, interruptions {Interruptions}, request {RequestId}, client {Address}, key {Key}")]
    public static partial void Ended(
        ILogger logger,
        string operation,
        string model,
        string outcome,
        int status,
        double seconds,
        double queuedSeconds,
        string tenant,
        string? instance,
        int attempts,
        long inputTokens,
        long outputTokens,
        int interruptions,
        string? requestId,
        string? address,
        string? key);
}

namespace OllamaBridge.Gateway.State;

/// <summary>What is said of the state in the log: changes, once each. Event ids 1700–1799. Never a connection string.</summary>
internal static partial class StateLog
{
    [LoggerMessage(1700, LogLevel.Information, "The shared state answers")]
    public static partial void Healthy(ILogger logger);

    [LoggerMessage(1701, LogLevel.Warning, "The shared state is lost ({Reason}): this gateway continues with its last known state")]
    public static partial void Lost(ILogger logger, string reason);

    [LoggerMessage(1702, LogLevel.Error, "The shared state refuses what the store {Store} asks ({Code}): this gateway continues with its last known state")]
    public static partial void Refused(ILogger logger, string store, string code);

    [LoggerMessage(1703, LogLevel.Error, "The shared state answers but refuses scripts that write ({Code}): this gateway continues with its last known state")]
    public static partial void RefusesAll(ILogger logger, string code);

    [LoggerMessage(1704, LogLevel.Information, "Replacing the connection to the shared state")]
    public static partial void Reconnecting(ILogger logger);

    [LoggerMessage(1710, LogLevel.Error, "More records wait for the shared ledger than the buffer holds: the oldest are dropped")]
    public static partial void LedgerFull(ILogger logger);

    [LoggerMessage(1711, LogLevel.Error, "{Records} records could not be written to the shared ledger before this gateway stopped")]
    public static partial void LedgerUnwritten(ILogger logger, int records);

    [LoggerMessage(1712, LogLevel.Error, "More audit entries wait for the shared state than the buffer holds: entry {Id} is kept by this bridge and in its log only")]
    public static partial void AuditDropped(ILogger logger, string id);

    [LoggerMessage(1713, LogLevel.Error, "{Entries} audit entries could not be written to the shared state before this bridge stopped; they are in its log")]
    public static partial void AuditUnwritten(ILogger logger, int entries);

    [LoggerMessage(1720, LogLevel.Error, "What the shared state has of the tenant {Tenant} cannot be read: its keys are refused")]
    public static partial void TenantUnreadable(ILogger logger, string tenant);
}

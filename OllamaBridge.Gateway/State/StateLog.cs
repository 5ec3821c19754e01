using OllamaBridge.Gateway.Common;

namespace OllamaBridge.Gateway.State;

/// <summary>Log messages of the shared state. Each change is logged once. Never contains a connection string. Event ids 1700–1799.</summary>
internal static partial class StateLog
{
    [LoggerMessage(EventIds.State.Healthy, LogLevel.Information, "Shared state available")]
    public static partial void Healthy(ILogger logger);

    [LoggerMessage(EventIds.State.Lost, LogLevel.Warning, "Shared state lost ({Reason}); continuing with the last known state")]
    public static partial void Lost(ILogger logger, string reason);

    [LoggerMessage(EventIds.State.Refused, LogLevel.Error, "Shared state rejected an operation of the store {Store} ({Code}); continuing with the last known state")]
    public static partial void Refused(ILogger logger, string store, string code);

    [LoggerMessage(EventIds.State.RefusesAll, LogLevel.Error, "Shared state responds but rejects scripts that write ({Code}); continuing with the last known state")]
    public static partial void RefusesAll(ILogger logger, string code);

    [LoggerMessage(EventIds.State.Reconnecting, LogLevel.Information, "Replacing the connection to the shared state")]
    public static partial void Reconnecting(ILogger logger);

    [LoggerMessage(EventIds.State.LedgerFull, LogLevel.Error, "Ledger buffer full: dropping the oldest records")]
    public static partial void LedgerFull(ILogger logger);

    [LoggerMessage(EventIds.State.LedgerUnwritten, LogLevel.Error, "Dropped {Records} records that could not be written to the shared ledger before the shutdown")]
    public static partial void LedgerUnwritten(ILogger logger, int records);

    [LoggerMessage(EventIds.State.AuditDropped, LogLevel.Error, "More audit entries wait for the shared state than the buffer holds: entry {Id} is kept by this bridge and in its log only")]
    public static partial void AuditDropped(ILogger logger, string id);

    [LoggerMessage(EventIds.State.AuditUnwritten, LogLevel.Error, "{Entries} audit entries could not be written to the shared state before this bridge stopped; they are in its log")]
    public static partial void AuditUnwritten(ILogger logger, int entries);

    [LoggerMessage(EventIds.State.TenantUnreadable, LogLevel.Error, "Cannot read the tenant {Tenant} from the shared state; rejecting its keys")]
    public static partial void TenantUnreadable(ILogger logger, string tenant);
}

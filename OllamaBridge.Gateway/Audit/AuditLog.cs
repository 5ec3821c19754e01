using OllamaBridge.Gateway.Common;

namespace OllamaBridge.Gateway.Audit;

/// <summary>Log messages of the audit log, in a separate category. Event ids 1860–1869.</summary>
internal static partial class AuditLog
{
    private const string Message =
        "{Action} {Target} {Outcome} by {Actor}: key {Key}, tenant {Tenant}, address {Address}, request {RequestId}, status {Status}, reason {Reason}, before {Before}, after {After}";

    public static void Write(ILogger logger, AuditEntry entry)
    {
        Action<ILogger, LogLevel, string, string, string, string, string?, string?, string?, string?, int?, string?, string?, string?> log =
            entry.Action.AsSpan(0, entry.Action.IndexOf('.', StringComparison.Ordinal)) switch
            {
                "tenant" => Tenant,
                "key" => Key,
                "drain" => Drain,
                "instance" => Instance,
                "tier" => Tier,
                _ => Model,
            };
        var level = entry.Outcome == AuditOutcomes.Done ? LogLevel.Information : LogLevel.Warning;
        log(
            logger, level, entry.Action, entry.Target, entry.Outcome, entry.Actor, entry.Key, entry.Tenant, entry.Address, entry.RequestId, entry.Status,
            entry.Reason, entry.Before?.ToJsonString(), entry.After?.ToJsonString());
    }

    [LoggerMessage(EventId = EventIds.Audit.Tenant, Message = Message)]
    private static partial void Tenant(
        ILogger logger, LogLevel level, string action, string target, string outcome, string actor, string? key, string? tenant, string? address,
        string? requestId, int? status, string? reason, string? before, string? after);

    [LoggerMessage(EventId = EventIds.Audit.Key, Message = Message)]
    private static partial void Key(
        ILogger logger, LogLevel level, string action, string target, string outcome, string actor, string? key, string? tenant, string? address,
        string? requestId, int? status, string? reason, string? before, string? after);

    [LoggerMessage(EventId = EventIds.Audit.Drain, Message = Message)]
    private static partial void Drain(
        ILogger logger, LogLevel level, string action, string target, string outcome, string actor, string? key, string? tenant, string? address,
        string? requestId, int? status, string? reason, string? before, string? after);

    [LoggerMessage(EventId = EventIds.Audit.Instance, Message = Message)]
    private static partial void Instance(
        ILogger logger, LogLevel level, string action, string target, string outcome, string actor, string? key, string? tenant, string? address,
        string? requestId, int? status, string? reason, string? before, string? after);

    [LoggerMessage(EventId = EventIds.Audit.Tier, Message = Message)]
    private static partial void Tier(
        ILogger logger, LogLevel level, string action, string target, string outcome, string actor, string? key, string? tenant, string? address,
        string? requestId, int? status, string? reason, string? before, string? after);

    [LoggerMessage(EventId = EventIds.Audit.Model, Message = Message)]
    private static partial void Model(
        ILogger logger, LogLevel level, string action, string target, string outcome, string actor, string? key, string? tenant, string? address,
        string? requestId, int? status, string? reason, string? before, string? after);
}

using OllamaBridge.Gateway.Common;

namespace OllamaBridge.Gateway.Quotas;

/// <summary>Log messages of the tenants' quotas: event ids 1500–1509.</summary>
internal static partial class QuotaLog
{
    [LoggerMessage(EventIds.Quota.ExchangeFailed, LogLevel.Error, "Shared limit state cannot be read; this gateway uses its own share of each limit")]
    public static partial void ExchangeFailed(ILogger logger, Exception exception);
}

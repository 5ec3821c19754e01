using OllamaBridge.Gateway.Common;

namespace OllamaBridge.Gateway.Queueing;

/// <summary>Log messages of admission: event ids 1500–1599.</summary>
internal static partial class AdmissionLog
{
    [LoggerMessage(EventIds.Admission.ExchangeFailed, LogLevel.Error, "Shared limit state cannot be read; this gateway uses its own share of each limit")]
    public static partial void ExchangeFailed(ILogger logger, Exception exception);
}

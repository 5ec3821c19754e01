using StackExchange.Redis;

namespace OllamaBridge.Gateway.State;

internal static class RedisErrors
{
    public const string ReadOnly = "READONLY";

    public static bool IsRefused(Exception e) =>
        e is RedisConnectionException { FailureType: ConnectionFailureType.AuthenticationFailure }
        || (e is RedisServerException && (e.Message.StartsWith("NOAUTH", StringComparison.Ordinal) || e.Message.StartsWith("WRONGPASS", StringComparison.Ordinal)))
        || (e is AggregateException several ? several.InnerExceptions.Any(IsRefused) : e.InnerException is { } inner && IsRefused(inner));

    /// <summary>Whether an error shows that the server is a replica, by its response or by the knowledge of the client.</summary>
    public static bool IsReadOnly(Exception e) => e switch
    {
        RedisServerException => e.Message.StartsWith(ReadOnly, StringComparison.Ordinal) || e.Message.StartsWith("MASTERDOWN", StringComparison.Ordinal),
        RedisCommandException => e.Message.Contains("replica", StringComparison.OrdinalIgnoreCase),
        _ => false,
    };

    /// <summary>The error code, which is the first word (ERR, READONLY, NOPERM). The rest may contain data of the operation.</summary>
    public static string Code(RedisServerException e) => e.Message.Split(' ')[0];
}

namespace OllamaBridge.Gateway.Activation;

/// <summary>What is said of tiers in the log. Event ids 1600–1649.</summary>
internal static partial class ActivationLog
{
    [LoggerMessage(1600, LogLevel.Information, "Tier {Tier}: {Waiting} requests wait and no instance is there: {Instances} asked for")]
    public static partial void Asked(ILogger logger, string tier, int waiting, int instances);

    [LoggerMessage(1601, LogLevel.Information, "Tier {Tier}: an instance is there after {Seconds} s")]
    public static partial void Awake(ILogger logger, string tier, double seconds);

    [LoggerMessage(1602, LogLevel.Warning, "Tier {Tier}: the platform did not do what it was asked ({Reason}); asked again in {Seconds} s")]
    public static partial void Failed(ILogger logger, string tier, string reason, double seconds);

    [LoggerMessage(1603, LogLevel.Error, "Tier {Tier}: the platform refuses what it is asked ({Reason}): whoever waits is sent away")]
    public static partial void Refused(ILogger logger, string tier, string reason);

    [LoggerMessage(1604, LogLevel.Warning, "Tier {Tier}: no instance was there within {Seconds} s")]
    public static partial void Late(ILogger logger, string tier, double seconds);

    [LoggerMessage(1605, LogLevel.Information, "Tier {Tier}: requests wait for slots: {Instances} instances asked for")]
    public static partial void Grows(ILogger logger, string tier, int instances);

    [LoggerMessage(1606, LogLevel.Information, "Tier {Tier}: not used for {Seconds} s, goes to zero")]
    public static partial void Sleeps(ILogger logger, string tier, double seconds);

    [LoggerMessage(1607, LogLevel.Information, "Tier {Tier}: does not go to zero after all: {Reason}")]
    public static partial void Stays(ILogger logger, string tier, string reason);

    [LoggerMessage(1608, LogLevel.Warning, "Tier {Tier}: stays as it is: the shared state does not tell whether other gateways use it")]
    public static partial void UseUnknown(ILogger logger, string tier);

    [LoggerMessage(1609, LogLevel.Information, "Tier {Tier}: instance {Instance} may be given work again")]
    public static partial void Released(ILogger logger, string tier, string instance);

    [LoggerMessage(1610, LogLevel.Error, "Tier {Tier}: its keeper failed and goes on")]
    public static partial void KeeperFailed(ILogger logger, string tier, Exception exception);
}

using OllamaBridge.Gateway.Common;

namespace OllamaBridge.Gateway.Activation;

/// <summary>Log messages of tier activation. Event ids 1600–1649.</summary>
internal static partial class ActivationLog
{
    [LoggerMessage(EventIds.Activation.ScaleUpRequested, LogLevel.Information, "Activating tier {Tier}: {Waiting} requests wait for an instance, {Instances} instances requested")]
    public static partial void ScaleUpRequested(ILogger logger, string tier, int waiting, int instances);

    [LoggerMessage(EventIds.Activation.Awake, LogLevel.Information, "Activated tier {Tier} in {Seconds} s")]
    public static partial void Awake(ILogger logger, string tier, double seconds);

    [LoggerMessage(EventIds.Activation.Failed, LogLevel.Warning, "Scaling of tier {Tier} failed ({Reason}); retrying in {Seconds} s")]
    public static partial void Failed(ILogger logger, string tier, string reason, double seconds);

    [LoggerMessage(EventIds.Activation.Refused, LogLevel.Error, "Scaling of tier {Tier} was refused ({Reason}); rejecting the waiting requests")]
    public static partial void Refused(ILogger logger, string tier, string reason);

    [LoggerMessage(EventIds.Activation.Late, LogLevel.Warning, "Activation of tier {Tier} timed out: no usable instance within {Seconds} s")]
    public static partial void Late(ILogger logger, string tier, double seconds);

    [LoggerMessage(EventIds.Activation.Grows, LogLevel.Information, "Scaling up tier {Tier}: requests wait for slots, {Instances} instances requested")]
    public static partial void Grows(ILogger logger, string tier, int instances);

    [LoggerMessage(EventIds.Activation.Sleeps, LogLevel.Information, "Scaling tier {Tier} to zero: unused for {Seconds} s")]
    public static partial void Sleeps(ILogger logger, string tier, double seconds);

    [LoggerMessage(EventIds.Activation.Stays, LogLevel.Information, "Canceled scaling tier {Tier} to zero: {Reason}")]
    public static partial void Stays(ILogger logger, string tier, string reason);

    [LoggerMessage(EventIds.Activation.UseUnknown, LogLevel.Warning, "Not scaling tier {Tier} to zero: the shared state is unavailable, so its use by other gateways is unknown")]
    public static partial void UseUnknown(ILogger logger, string tier);

    [LoggerMessage(EventIds.Activation.Released, LogLevel.Information, "Ended the drain of {Instance} in tier {Tier}")]
    public static partial void Released(ILogger logger, string tier, string instance);

    [LoggerMessage(EventIds.Activation.KeeperFailed, LogLevel.Error, "Unhandled exception in the control loop of tier {Tier}; continuing")]
    public static partial void KeeperFailed(ILogger logger, string tier, Exception exception);
}

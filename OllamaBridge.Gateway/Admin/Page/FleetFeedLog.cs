namespace OllamaBridge.Gateway.Admin.Page;

/// <summary>What the fleet page's events say in the log.</summary>
internal static partial class FleetFeedLog
{
    [LoggerMessage(EventId = 1520, Level = LogLevel.Error, Message = "The fleet could not be shown; whoever looks is asked to come again")]
    public static partial void NoPicture(ILogger logger, Exception error);
}

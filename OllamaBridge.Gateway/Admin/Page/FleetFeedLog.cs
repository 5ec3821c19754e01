using OllamaBridge.Gateway.Common;

namespace OllamaBridge.Gateway.Admin.Page;

internal static partial class FleetFeedLog
{
    [LoggerMessage(EventId = EventIds.FleetFeed.NoPicture, Level = LogLevel.Error, Message = "The fleet page's picture could not be made; its listeners are disconnected")]
    public static partial void NoPicture(ILogger logger, Exception error);
}

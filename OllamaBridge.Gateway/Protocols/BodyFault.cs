namespace OllamaBridge.Gateway.Protocols;

internal static class BodyFault
{
    /// <summary>The exception's own status, or 400 for a malformed chunk.</summary>
    public static int StatusOf(Exception exception) =>
        Find(exception) ?? StatusCodes.Status400BadRequest;

    private static int? Find(Exception? exception) => exception switch
    {
        null => null,
        BadHttpRequestException bad => bad.StatusCode,
        // Both sides of a forwarded body failed.
        AggregateException several => several.InnerExceptions.Select(Find).FirstOrDefault(s => s is not null),
        _ => Find(exception.InnerException),
    };

    /// <summary>Closes the connection, too, so that the unread rest of the body is not taken for the next request.</summary>
    public static Task WriteAsync(HttpContext context, Protocol protocol, int status)
    {
        if (context.Response.HasStarted)
            return Task.CompletedTask;
        context.Response.Headers.Connection = "close";
        return ProtocolError.WriteAsync(context, protocol, status, status switch
        {
            StatusCodes.Status408RequestTimeout => "the request's body came too slowly",
            StatusCodes.Status413PayloadTooLarge => "the request's body is too large",
            _ => "the request's body could not be read",
        });
    }
}

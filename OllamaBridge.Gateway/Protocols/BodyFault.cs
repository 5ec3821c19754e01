namespace OllamaBridge.Gateway.Protocols;

/// <summary>Tells a client that it sent its body wrongly or too slowly.</summary>
internal static class BodyFault
{
    /// <summary>The status for what the server threw on reading a body: its own, or 400 for a broken chunk.</summary>
    public static int StatusOf(Exception exception) =>
        Find(exception) ?? StatusCodes.Status400BadRequest;

    private static int? Find(Exception? exception) => exception switch
    {
        null => null,
        BadHttpRequestException bad => bad.StatusCode,
        // What both sides of a forwarded body threw.
        AggregateException several => several.InnerExceptions.Select(Find).FirstOrDefault(s => s is not null),
        _ => Find(exception.InnerException),
    };

    /// <summary>Answers with an error; what was not read of the body is not taken for the next request.</summary>
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

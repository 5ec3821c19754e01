using OllamaBridge.Simulator.Json;

namespace OllamaBridge.Simulator.Hosting;

/// <summary>Sends responses with the framing of Go's HTTP server: a length for a short complete body, else chunks.</summary>
internal static class Reply
{
    /// <summary>The size in bytes of Go's buffer; a longer body is chunked.</summary>
    private const int GoBuffer = 2048;

    public static void Head(HttpContext http, int status, string? contentType)
    {
        if (http.Response.HasStarted)
            return;
        http.Response.StatusCode = status;
        http.Response.ContentType = contentType;
    }

    public static Task JsonAsync(HttpContext http, int status, GoJson json, string contentType = ContentTypes.Json) =>
        BytesAsync(http, status, json.WrittenMemory, contentType);

    public static async Task BytesAsync(HttpContext http, int status, ReadOnlyMemory<byte> body, string? contentType)
    {
        Head(http, status, contentType);
        if (body.Length <= GoBuffer)
            http.Response.ContentLength = body.Length;
        if (HttpMethods.IsHead(http.Request.Method))
            return;
        await http.Response.BodyWriter.WriteAsync(body, http.RequestAborted);
    }

    public static Task EmptyAsync(HttpContext http, int status)
    {
        http.Response.StatusCode = status;
        if (!HttpMethods.IsHead(http.Request.Method))
            http.Response.ContentLength = 0;
        return Task.CompletedTask;
    }

    /// <summary>Sends the written bytes as one chunk, at once.</summary>
    public static async ValueTask FlushAsync(HttpContext http, GoJson json, CancellationToken cancellationToken)
    {
        var result = await http.Response.BodyWriter.WriteAsync(json.WrittenMemory, cancellationToken);
        if (result.IsCompleted || result.IsCanceled)
            throw new OperationCanceledException("The client has hung up.", cancellationToken);
    }
}

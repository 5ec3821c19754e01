namespace OllamaBridge.Gateway.Protocols;

/// <summary>Writes the responses of a server's router: gin and Go's net/http.</summary>
internal static class RouterResponse
{
    // The size in bytes of net/http's buffer for a response without a length.
    private const int ServerBuffer = 2048;

    public static ReadOnlySpan<byte> NotAllowed => "405 method not allowed"u8;

    /// <summary>Writes a body; without a length if a server would send it in chunks (recordings 01-tags, 01-tags-head).</summary>
    public static Task WriteAsync(HttpContext context, ReadOnlyMemory<byte> body, string type)
    {
        context.Response.ContentType = type;
        if (body.Length <= ServerBuffer)
            context.Response.ContentLength = body.Length;
        return HttpMethods.IsHead(context.Request.Method)
            ? Task.CompletedTask
            : context.Response.Body.WriteAsync(body, context.RequestAborted).AsTask();
    }

    public static Task RedirectAsync(HttpContext context, string path, bool isTemporary)
    {
        var isGet = HttpMethods.IsGet(context.Request.Method);
        // A path that net/http cleans is "temporary", a trailing slash that gin's router cuts "permanent" (recording 04-err-double-slash-path).
        context.Response.StatusCode = !isTemporary && isGet ? StatusCodes.Status301MovedPermanently : StatusCodes.Status307TemporaryRedirect;
        context.Response.Headers.Location = path + context.Request.QueryString;
        if (!isGet)
            return Task.CompletedTask;
        context.Response.ContentType = "text/html; charset=utf-8";
        var reason = isTemporary ? "Temporary Redirect" : "Moved Permanently";
        var body = $"<a href=\"{Escape(context.Response.Headers.Location.ToString())}\">{reason}</a>.\n\n";
        context.Response.ContentLength = body.Length;
        return context.Response.WriteAsync(body);
    }

    private static string Escape(string address) => address.Replace("&", "&amp;", StringComparison.Ordinal).Replace("<", "&lt;", StringComparison.Ordinal)
        .Replace(">", "&gt;", StringComparison.Ordinal).Replace("\"", "&#34;", StringComparison.Ordinal).Replace("'", "&#39;", StringComparison.Ordinal);

    public static Task NotFoundAsync(HttpContext context)
    {
        context.Response.StatusCode = StatusCodes.Status404NotFound;
        return WriteTextAsync(context, "404 page not found");
    }

    public static Task RejectConnectAsync(HttpContext context)
    {
        context.Response.StatusCode = StatusCodes.Status405MethodNotAllowed;
        return WriteTextAsync(context, "405 method not allowed");
    }

    public static Task MethodNotAllowedAsync(HttpContext context, Operation operation)
    {
        context.Response.StatusCode = StatusCodes.Status405MethodNotAllowed;
        context.Response.Headers.Allow = string.Join(", ", operation.Methods);
        return WriteTextAsync(context, "405 method not allowed");
    }

    private static Task WriteTextAsync(HttpContext context, string text)
    {
        context.Response.ContentType = "text/plain";
        context.Response.ContentLength = text.Length;
        return HttpMethods.IsHead(context.Request.Method) ? Task.CompletedTask : context.Response.WriteAsync(text);
    }
}

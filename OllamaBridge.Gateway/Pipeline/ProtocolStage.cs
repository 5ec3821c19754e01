using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Pipeline;

/// <summary>Identifies the operation of a request; responds to an unknown route as a server's router does.</summary>
internal sealed class ProtocolStage(TimeProvider time, RequestAccounting accounting)
{
    /// <summary>gin's body of a 405 response.</summary>

    /// <summary>Handles a request that is not for one of the bridge's own endpoints.</summary>
    public Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        if (RequestPath.Redirection(context) is { } location)
            return Redirect(context, location, isTemporary: true);
        var path = context.Request.Path.Value ?? "/";
        if (OperationTable.Find(path, out var rest) is not { } operation)
            return OperationTable.Correct(path) is { } correct ? Redirect(context, correct, isTemporary: false) : NotFound(context);
        if (!operation.Methods.Contains(context.Request.Method, StringComparer.Ordinal))
            return MethodNotAllowed(context, operation);

        operation = AnthropicModels.For(operation, context.Request.Headers);
        var call = new BridgeCall(operation, rest, time.GetTimestamp()) { IsLocal = Caller.IsLocal(context) };
        context.Features.Set(call);
        return accounting.RunAsync(context, call, next);
    }

    private static Task Redirect(HttpContext context, string path, bool isTemporary)
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

    /// <summary>Escapes a URL as Go's <c>http.Redirect</c> does in its page.</summary>
    private static string Escape(string address) => address.Replace("&", "&amp;", StringComparison.Ordinal).Replace("<", "&lt;", StringComparison.Ordinal)
        .Replace(">", "&gt;", StringComparison.Ordinal).Replace("\"", "&#34;", StringComparison.Ordinal).Replace("'", "&#39;", StringComparison.Ordinal);

    /// <summary>Responds to an unknown route as a server's router does.</summary>
    public static Task NotFound(HttpContext context)
    {
        context.Response.StatusCode = StatusCodes.Status404NotFound;
        return WriteTextAsync(context, "404 page not found");
    }

    /// <summary>Rejects a <c>CONNECT</c> request: the bridge is not a proxy.</summary>
    public static Task RefuseConnect(HttpContext context)
    {
        context.Response.StatusCode = StatusCodes.Status405MethodNotAllowed;
        context.Response.ContentType = "text/plain";
        context.Response.ContentLength = RejectedRequests.NotAllowed.Length;
        return context.Response.Body.WriteAsync(RejectedRequests.NotAllowed.ToArray(), 0, RejectedRequests.NotAllowed.Length);
    }

    private static Task MethodNotAllowed(HttpContext context, Operation operation)
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

using OllamaBridge.Gateway.Accounting;
using OllamaBridge.Gateway.Identity;

namespace OllamaBridge.Gateway.Protocols;

/// <summary>Finds out what is asked; answers what a server's router answers for what is no route of it.</summary>
internal sealed class ProtocolStage(TimeProvider time, CallAccounting accounting)
{
    /// <summary>Handles a request that is none of the bridge's own endpoints.</summary>
    public Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        var path = context.Request.Path.Value ?? "/";
        if (OperationTable.Find(path, out var rest) is not { } operation)
            return OperationTable.Correct(path) is { } correct ? Redirect(context, correct) : NotFound(context);
        if (!operation.Methods.Contains(context.Request.Method, StringComparer.Ordinal))
            return MethodNotAllowed(context, operation);

        var call = new BridgeCall(operation, rest, time.GetTimestamp()) { IsLocal = Caller.IsLocal(context) };
        context.Features.Set(call);
        return accounting.RunAsync(context, call, next);
    }

    private static Task Redirect(HttpContext context, string path)
    {
        var isGet = HttpMethods.IsGet(context.Request.Method);
        // A doubled slash is "temporary", a trailing one "permanent" (recording 04-err-double-slash-path and gin's router).
        var doubled = context.Request.Path.Value!.Contains("//", StringComparison.Ordinal);
        context.Response.StatusCode = !doubled && isGet ? StatusCodes.Status301MovedPermanently : StatusCodes.Status307TemporaryRedirect;
        context.Response.Headers.Location = path + context.Request.QueryString;
        if (!isGet)
            return Task.CompletedTask;
        context.Response.ContentType = "text/html; charset=utf-8";
        var reason = doubled ? "Temporary Redirect" : "Moved Permanently";
        var body = $"<a href=\"{path}\">{reason}</a>.\n\n";
        context.Response.ContentLength = body.Length;
        return context.Response.WriteAsync(body);
    }

    /// <summary>Answers what a server's router answers for what is no route of it.</summary>
    public static Task NotFound(HttpContext context)
    {
        context.Response.StatusCode = StatusCodes.Status404NotFound;
        return WriteTextAsync(context, "404 page not found");
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

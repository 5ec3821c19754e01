using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Pipeline;

/// <summary>Identifies the operation of a request; responds to an unknown route as a server's router does.</summary>
internal sealed class ProtocolStage : IRequestStage
{
    public Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        if (RequestPath.Redirection(context) is { } location)
            return RouterResponse.RedirectAsync(context, location, isTemporary: true);
        var path = context.Request.Path.Value ?? "/";
        if (OperationTable.Find(path, out var rest) is not { } operation)
            return OperationTable.Correct(path) is { } correct
                ? RouterResponse.RedirectAsync(context, correct, isTemporary: false)
                : RouterResponse.NotFoundAsync(context);
        if (!operation.Methods.Contains(context.Request.Method, StringComparer.Ordinal))
            return RouterResponse.MethodNotAllowedAsync(context, operation);
        context.Features.Set(new OperationFeature(AnthropicModels.For(operation, context.Request.Headers), rest));
        return next(context);
    }
}

using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Pipeline;

/// <summary>Gives each request an id: <see cref="HttpContext.TraceIdentifier"/>.</summary>
internal sealed class RequestIdStage(RequestIds ids) : IRequestStage
{
    public Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        ids.Assign(context);
        return next(context);
    }
}

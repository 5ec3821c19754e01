using Microsoft.AspNetCore.Http.Features;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Shutdown;

namespace OllamaBridge.Gateway.Pipeline;

/// <summary>Rejects requests while the gateway stops, and closes connections from the signal to stop on, so that clients reach another gateway.</summary>
internal sealed class ShutdownStage(GracefulStop stop) : IRequestStage
{
    public Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        if (stop.IsLeaving || stop.IsStopping)
            context.Response.Headers.Connection = "close";
        if (!stop.IsStopping)
            return next(context);
        var protocol = context.Features.GetRequiredFeature<OperationFeature>().Operation.Protocol;
        return ProtocolError.WriteAsync(context, protocol, StatusCodes.Status503ServiceUnavailable, GracefulStop.Message, GracefulStop.RetryAfter);
    }
}

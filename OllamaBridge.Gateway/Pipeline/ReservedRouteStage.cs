using Microsoft.AspNetCore.Http.Features;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Pipeline;

/// <summary>Refuses routes that only a server's owner may use.</summary>
internal sealed class ReservedRouteStage : IRequestStage
{
    public Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        var operation = context.Features.GetRequiredFeature<OperationFeature>().Operation;
        return operation.Kind == OperationKind.Refused
            ? ProtocolError.WriteAsync(
                context, operation.Protocol, StatusCodes.Status403Forbidden, "this route is reserved for a server's owner and is not forwarded")
            : next(context);
    }
}

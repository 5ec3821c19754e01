using Microsoft.AspNetCore.Http.Features;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Queueing;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Pipeline;

internal sealed class PriorityStage : IRequestStage
{
    public Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        var priority = RequestPriority.Read(context.Request.Headers, ConfinedTenantFeature.Of(context));
        if (priority.Fault is { } fault)
        {
            var protocol = context.Features.GetRequiredFeature<OperationFeature>().Operation.Protocol;
            return ProtocolError.WriteAsync(context, protocol, StatusCodes.Status400BadRequest, fault);
        }

        context.Features.Set(priority);
        return next(context);
    }
}

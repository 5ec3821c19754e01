using OllamaBridge.Gateway.Forwarding;
using OllamaBridge.Gateway.Resumption;

namespace OllamaBridge.Gateway.Pipeline;

internal sealed class ForwardingEndpoint(RequestForwarder forwarder) : IRequestStage
{
    public Task InvokeAsync(HttpContext context, RequestDelegate next) =>
        forwarder.ForwardAsync(context, context.Features.Get<ForwardingTarget>() ?? ForwardingTarget.Any);
}

using OllamaBridge.Gateway.Admin;
using OllamaBridge.Gateway.Pipeline;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Queueing;
using OllamaBridge.Gateway.Shutdown;

namespace OllamaBridge.Gateway;

/// <summary>The order of a request's stages; defined only here.</summary>
internal static class GatewayPipeline
{
    /// <summary>Adds the stages: request id, access guard, protocol, identity, regions, body, model, quota, and the handler of the operation.</summary>
    public static void UseGateway(this WebApplication app)
    {
        var ids = app.Services.GetRequiredService<RequestIds>();
        var guard = app.Services.GetRequiredService<AccessGuard>();
        var operators = app.Services.GetRequiredService<OperatorGate>();
        var protocols = app.Services.GetRequiredService<ProtocolStage>();
        var identity = app.Services.GetRequiredService<IdentityStage>();
        var regions = app.Services.GetRequiredService<RegionStage>();
        var gate = app.Services.GetRequiredService<ConcurrencyGate>();
        var bodies = app.Services.GetRequiredService<BodyStage>();
        var models = app.Services.GetRequiredService<ModelStage>();
        var inventory = app.Services.GetRequiredService<InventoryStage>();
        var quotas = app.Services.GetRequiredService<QuotaStage>();
        var management = app.Services.GetRequiredService<ManagementStage>();
        var forwarding = app.Services.GetRequiredService<ForwardingStage>();
        var tokenCounts = app.Services.GetRequiredService<TokenCountStage>();
        var stop = app.Services.GetRequiredService<GracefulStop>();
        stop.Over += app.Services.GetRequiredService<RequestQueue>().Close;
        Func<HttpContext, BridgeCall, Task> forward = forwarding.HandleAsync;
        var unloads = app.Services.GetRequiredService<UnloadStage>();
        Func<HttpContext, BridgeCall, Task> unload = (context, call) => unloads.InvokeAsync(context, call, forward);
        Func<HttpContext, BridgeCall, Task> admit = (context, call) => quotas.InvokeAsync(context, call, unload);
        Func<HttpContext, BridgeCall, Task> count = (context, call) => quotas.InvokeAsync(context, call, tokenCounts.HandleAsync);
        Func<HttpContext, BridgeCall, Task> manage = management.HandleAsync;
        Func<HttpContext, BridgeCall, Task> answer = AnswerAsync;

        app.Use(next => context => ids.InvokeAsync(context, next));
        app.Use(next => context => guard.InvokeAsync(context, next));
        app.Use(next => context => operators.InvokeAsync(context, next));

        // The bridge's own endpoints (/bridge, /health, /alive, /metrics) are routed; all other requests go to the fleet.
        app.Use(next => context => context.GetEndpoint() is not null ? next(context) : protocols.InvokeAsync(context, Identify));

        Task Identify(HttpContext context)
        {
            var call = context.Features.Get<BridgeCall>()!;
            if (stop.IsStopping)
                return GracefulStop.RefuseAsync(context, call);
            if (stop.IsLeaving)
                GracefulStop.SendElsewhere(context);
            return identity.InvokeAsync(context, call, Confine);
        }

        Task Confine(HttpContext context) => regions.InvokeAsync(context, context.Features.Get<BridgeCall>()!, answer);

        Task AnswerAsync(HttpContext context, BridgeCall call) => call.Operation.Kind switch
        {
            OperationKind.Inventory => inventory.HandleAsync(context, call),
            OperationKind.Refused => ProtocolError.WriteAsync(
                context, call.Operation.Protocol, StatusCodes.Status403Forbidden, "this route is reserved for a server's owner and is not forwarded"),
            OperationKind.Lookup when call.Operation.Name == OperationTable.CountTokens =>
                bodies.InvokeAsync(context, call, c => models.InvokeAsync(c, call, count)),
            OperationKind.Management => bodies.InvokeAsync(context, call, c => models.InvokeAsync(c, call, manage)),
            _ => gate.InvokeAsync(context, call, (admitted, _) => bodies.InvokeAsync(admitted, call, c => models.InvokeAsync(c, call, admit))),
        };
    }
}

using OllamaBridge.Gateway.Admin;
using OllamaBridge.Gateway.Pipeline;
using OllamaBridge.Gateway.Queueing;
using OllamaBridge.Gateway.Shutdown;

namespace OllamaBridge.Gateway;

/// <summary>The order of a request's stages; defined only here.</summary>
internal static class GatewayPipeline
{
    /// <summary>Adds the stages. The bridge's own endpoints (<c>/bridge</c>, <c>/health</c>, <c>/alive</c>, <c>/metrics</c>) are routed; all other requests are of the model API.</summary>
    public static void UseGateway(this WebApplication app)
    {
        app.Services.GetRequiredService<GracefulStop>().Over += app.Services.GetRequiredService<RequestQueue>().Close;
        app.UseStage<RequestIdStage>()      // the request's id
            .UseStage<AccessStage>()        // Host and Origin headers
            .UseStage<OperatorGate>()       // which listener has which route
            .MapWhen(static context => context.GetEndpoint() is null, static api => api
                .UseStage<AccountingStage>()      // ends every request in the ledger, metrics and log
                .UseStage<ProtocolStage>()        // the operation; ends unknown routes
                .UseStage<ShutdownStage>()        // ends requests while the gateway stops
                .UseStage<IdentityStage>()        // the tenant; ends requests without a valid key or scope
                .UseStage<RegionStage>()          // the instances that it may use
                .UseStage<ReservedRouteStage>()   // ends routes of a server's owner
                .UseStage<InventoryEndpoint>()    // responds to lists of models
                .UseStage<ConcurrencyStage>()     // bounds a tenant's bodies in memory
                .UseStage<BodyStage>()            // the body and its facts
                .UseStage<ModelStage>()           // the model; ends requests for unknown ones
                .UseStage<QuotaStage>()           // the reservation of the tenant's quota
                .UseStage<TokenCountEndpoint>()   // responds to counts of tokens
                .UseStage<PriorityStage>()        // the priority class and the deadline
                .UseStage<ManagementEndpoint>()   // forwards changes of models, one at a time
                .UseStage<UnloadStage>()          // unloads a model on all instances but one
                .UseStage<ForwardingEndpoint>()); // forwards to an instance
    }

    private static IApplicationBuilder UseStage<T>(this IApplicationBuilder app)
        where T : class, IRequestStage
    {
        var stage = app.ApplicationServices.GetRequiredService<T>();
        return app.Use(next => context => stage.InvokeAsync(context, next));
    }
}

using Microsoft.AspNetCore.Http.Features;
using OllamaBridge.Gateway.Catalog;
using OllamaBridge.Gateway.Discovery;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Pipeline;

/// <summary>Serves lists of the whole fleet from the snapshot.</summary>
internal sealed class InventoryEndpoint(FleetInventory lists, IFleet fleet) : IRequestStage
{
    private static readonly ReadOnlyMemory<byte> Running = "Ollama is running"u8.ToArray();

    public Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        var (operation, rest) = context.Features.GetRequiredFeature<OperationFeature>();
        if (operation.Kind != OperationKind.Inventory)
            return next(context);
        if (operation.Protocol == Protocol.Anthropic)
            return AnthropicModelList.WriteAsync(context, operation, rest, InventoryOf(context));
        return operation.Type switch
        {
            OperationType.Root => RouterResponse.WriteAsync(context, Running, "text/plain; charset=utf-8"),
            OperationType.Tags => RouterResponse.WriteAsync(context, InventoryOf(context).Tags, "application/json; charset=utf-8"),
            OperationType.Ps => WriteRunningAsync(context),
            OperationType.Models => RouterResponse.WriteAsync(context, InventoryOf(context).OpenAIModels, "application/json"),
            OperationType.Version => WriteVersionAsync(context, operation),
            _ => RefuseAsync(context, operation),
        };
    }

    /// <summary>Writes the models in memory after a new reading: a client sees its own load or unload at once, as on a server.</summary>
    private async Task WriteRunningAsync(HttpContext context)
    {
        await fleet.RefreshRunningAsync(context.RequestAborted);
        await RouterResponse.WriteAsync(context, InventoryOf(context).Running, "application/json; charset=utf-8");
    }

    private Task WriteVersionAsync(HttpContext context, Operation operation)
    {
        var version = InventoryOf(context).Version;
        if (!version.IsEmpty)
            return RouterResponse.WriteAsync(context, version, "application/json; charset=utf-8");
        // Servers that respond but do not report a version: respond as they do.
        return fleet.Current.For(ConfinedTenantFeature.Of(context).Instances).Instances.Any(i => i.Status == InstanceStatus.Healthy)
            ? RouterResponse.NotFoundAsync(context)
            : RefuseAsync(context, operation);
    }

    private static Task RefuseAsync(HttpContext context, Operation operation) => ProtocolError.WriteAsync(
        context, operation.Protocol, StatusCodes.Status503ServiceUnavailable, "no instance is healthy at the moment", TimeSpan.FromSeconds(1));

    // Another region's bridge cannot use cold models of this region.
    private Inventory InventoryOf(HttpContext context) =>
        lists.For(ConfinedTenantFeature.Of(context), isAwake: context.Request.Headers.ContainsKey(PeerBridge.Header));
}

using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using OllamaBridge.Gateway.Catalog;
using OllamaBridge.Gateway.Discovery;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Pipeline;

/// <summary>Serves lists of the whole fleet from the snapshot.</summary>
internal sealed class InventoryStage(IFleet fleet, ModelChains chains)
{
    // The size in bytes of net/http's buffer for a response without a length.
    private const int ServerBuffer = 2048;
    private readonly ConditionalWeakTable<FleetSnapshot, ConcurrentDictionary<InventoryKey, Inventory>> _inventories = new();
    private static readonly ReadOnlyMemory<byte> Running = "Ollama is running"u8.ToArray();

    public Task HandleAsync(HttpContext context, BridgeCall call)
    {
        // Another region's bridge cannot use cold models of this region.
        var inventory = InventoryFor(call.Tenant, isAwake: context.Request.Headers.ContainsKey(PeerBridge.Header));
        if (call.Operation.Protocol == Protocol.Anthropic)
            return AnthropicModelList.WriteAsync(context, call, inventory);
        return call.Operation.Name switch
        {
            "root" => WriteAsync(context, Running, "text/plain; charset=utf-8"),
            "tags" => WriteAsync(context, inventory.Tags, "application/json; charset=utf-8"),
            "ps" => WriteRunningAsync(context, call),
            "models" => WriteAsync(context, inventory.OpenAIModels, "application/json"),
            "version" when !inventory.Version.IsEmpty => WriteAsync(context, inventory.Version, "application/json; charset=utf-8"),
            // Servers that respond but do not report a version: respond as they do.
            "version" when fleet.Current.For(call.Tenant.Instances).Instances.Any(i => i.Status == InstanceStatus.Healthy) => ProtocolStage.NotFound(context),
            _ => ProtocolError.WriteAsync(
                context, call.Operation.Protocol, StatusCodes.Status503ServiceUnavailable, "no instance is healthy at the moment", TimeSpan.FromSeconds(1)),
        };
    }

    /// <summary>Writes the models in memory after a new reading: a client sees its own load or unload at once, as on a server.</summary>
    private async Task WriteRunningAsync(HttpContext context, BridgeCall call)
    {
        await fleet.RefreshRunningAsync(context.RequestAborted);
        var inventory = InventoryFor(call.Tenant, isAwake: context.Request.Headers.ContainsKey(PeerBridge.Header));
        await WriteAsync(context, inventory.Running, "application/json; charset=utf-8");
    }

    /// <summary>
    /// The body of <c>/v1/models/{model}</c> if no server can serve it: for an alias, a model of OpenAI servers only, or one of a cold tier at zero.
    /// </summary>
    /// <returns>Null if an Ollama server can serve it, or there is no such model.</returns>
    public ReadOnlyMemory<byte>? FindModel(BridgeCall call)
    {
        if (call.Facts.Model is not { Length: > 0 } name)
            return null;
        var key = ModelName.KeyOf(name);
        if (chains.Find(key) is null && ModelReference.Resolve(name) is { IsResolved: true } reference)
            key = reference.Key;
        var isAlias = chains.Find(key) is { IsAlias: true };
        var view = isAlias ? null : fleet.Current.For(call.Tenant.Instances).Models.GetValueOrDefault(key);
        // A listed model is known without starting its tier.
        var isAsleep = view is { IsAsleep: true };
        if (!isAlias && !isAsleep && view?.Parts is null)
            return null;
        var models = InventoryFor(call.Tenant, isAwake: false).Models;
        // An alias is listed with its tag, as in Ollama.
        var model = models.TryGetValue(name, out var listed) && (isAlias || listed.Json.IsEmpty) ? listed
            : isAlias || isAsleep ? models.Values.FirstOrDefault(m => m.Key == key)
            : null;
        if (model is null)
            return null;
        return Inventory.WriteOpenAI(model, name);
    }

    /// <param name="tenant">The tenant whose models are listed.</param>
    /// <param name="isAwake">Whether to leave out models whose tier must be started first.</param>
    private Inventory InventoryFor(Tenant tenant, bool isAwake)
    {
        var snapshot = fleet.Current.For(tenant.Instances);
        // Cached for each snapshot and set of models; collected with the snapshot.
        return _inventories.GetOrCreateValue(snapshot).GetOrAdd(
            new InventoryKey(tenant.Models, chains.Aliases, isAwake && !snapshot.Cold.IsEmpty),
            static (key, snapshot) => Inventory.Of(snapshot, key.Access is { } access ? access.Allows : null, key.Aliases, key.IsAwake),
            snapshot);
    }

    public static Task WriteAsync(HttpContext context, ReadOnlyMemory<byte> body, string type)
    {
        context.Response.ContentType = type;
        // As a server: a body above its buffer size is sent in chunks (recordings 01-tags, 01-tags-head).
        if (body.Length <= ServerBuffer)
            context.Response.ContentLength = body.Length;
        return HttpMethods.IsHead(context.Request.Method)
            ? Task.CompletedTask
            : context.Response.Body.WriteAsync(body, context.RequestAborted).AsTask();
    }

    private readonly record struct InventoryKey(ModelAccess? Access, ImmutableArray<ModelChain> Aliases, bool IsAwake);
}

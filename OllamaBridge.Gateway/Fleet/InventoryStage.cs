using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using OllamaBridge.Gateway.Identity;
using OllamaBridge.Gateway.Naming;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Regions;

namespace OllamaBridge.Gateway.Fleet;

/// <summary>Answers, out of the snapshot, what concerns the fleet as a whole.</summary>
internal sealed class InventoryStage(IFleet fleet, ModelChains chains)
{
    // net/http's buffer for an answer without a length, in bytes.
    private const int ServerBuffer = 2048;
    private readonly ConditionalWeakTable<Inventory, ConcurrentDictionary<(ModelAccess Access, bool IsAwake), Inventory>> _narrowed = new();
    private static readonly ModelAccess Everything = new(["*"]);
    private static readonly ReadOnlyMemory<byte> Running = "Ollama is running"u8.ToArray();

    /// <summary>Handles one request.</summary>
    public Task HandleAsync(HttpContext context, BridgeCall call)
    {
        // What sleeps here would be for nobody in another region to use.
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
            // Servers that answer, but none of which tells a version: as they answer themselves.
            "version" when fleet.Current.For(call.Tenant.Instances).Instances.Any(i => i.Status == InstanceStatus.Healthy) => ProtocolStage.NotFound(context),
            _ => ProtocolError.WriteAsync(
                context, call.Operation.Protocol, StatusCodes.Status503ServiceUnavailable, "no instance is healthy at the moment", TimeSpan.FromSeconds(1)),
        };
    }

    /// <summary>Which models are in memory now: a client that has just loaded or unloaded one sees that at once, as it does at a server.</summary>
    private async Task WriteRunningAsync(HttpContext context, BridgeCall call)
    {
        await fleet.RefreshRunningAsync(context.RequestAborted);
        var inventory = InventoryFor(call.Tenant, isAwake: context.Request.Headers.ContainsKey(PeerBridge.Header));
        await WriteAsync(context, inventory.Running, "application/json; charset=utf-8");
    }

    /// <summary>The answer of <c>/v1/models/{model}</c> where no server can be asked for it: an alias, a model that only OpenAI servers have, or one whose tier sleeps.</summary>
    /// <returns>Null where an Ollama server is to be asked, or there is no such model.</returns>
    public ReadOnlyMemory<byte>? FindModel(BridgeCall call)
    {
        if (call.Facts.Model is not { Length: > 0 } name)
            return null;
        var key = ModelName.KeyOf(name);
        if (chains.Find(key) is null && ModelReference.Resolve(name) is { IsResolved: true } reference)
            key = reference.Key;
        var isAlias = chains.Find(key) is { IsAlias: true };
        var view = isAlias ? null : fleet.Current.For(call.Tenant.Instances).Models.GetValueOrDefault(key);
        // What is in the list is known without starting anything.
        var isAsleep = view is { IsAsleep: true };
        if (!isAlias && !isAsleep && view?.Parts is null)
            return null;
        var models = InventoryFor(call.Tenant, isAwake: false).Models;
        // An alias is listed with its tag, as Ollama would.
        var model = models.TryGetValue(name, out var listed) && (isAlias || listed.Json.IsEmpty) ? listed
            : isAlias || isAsleep ? models.Values.FirstOrDefault(m => m.Key == key)
            : null;
        if (model is null)
            return null;
        return Inventory.WriteOpenAI(model, name);
    }

    /// <param name="tenant">For whom.</param>
    /// <param name="isAwake">Whether only what need not be started first is of use.</param>
    private Inventory InventoryFor(Tenant tenant, bool isAwake)
    {
        var snapshot = fleet.Current.For(tenant.Instances);
        var access = tenant.Models;
        isAwake &= !snapshot.Cold.IsEmpty;
        // Written once for each snapshot and set of models; forgotten with the snapshot.
        return access is null && chains.Aliases.IsEmpty && !isAwake
            ? snapshot.Inventory
            : _narrowed.GetOrCreateValue(snapshot.Inventory).GetOrAdd(
                (access ?? Everything, isAwake), key => Inventory.Build(snapshot.Instances, key.Access.Allows, chains.Aliases, key.IsAwake ? [] : snapshot.Cold, snapshot.ServedDigests));
    }

    /// <summary>Writes a body as a server does.</summary>
    public static Task WriteAsync(HttpContext context, ReadOnlyMemory<byte> body, string type)
    {
        context.Response.ContentType = type;
        // As a real server: what outgrows its buffer goes out in chunks (recordings 01-tags, 01-tags-head).
        if (body.Length <= ServerBuffer)
            context.Response.ContentLength = body.Length;
        return HttpMethods.IsHead(context.Request.Method)
            ? Task.CompletedTask
            : context.Response.Body.WriteAsync(body, context.RequestAborted).AsTask();
    }
}

using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Catalog;

/// <summary>Lists the models of the whole fleet from the snapshot, with aliases.</summary>
internal sealed class FleetInventory(IFleet fleet, ModelChains chains)
{
    private readonly ConditionalWeakTable<FleetSnapshot, ConcurrentDictionary<InventoryKey, Inventory>> _inventories = new();

    /// <summary>
    /// The body of <c>/v1/models/{model}</c> if no server can serve it: for an alias, a model of OpenAI servers only, or one of a cold tier at zero.
    /// </summary>
    /// <returns>Null if an Ollama server can serve it, or there is no such model.</returns>
    public ReadOnlyMemory<byte>? FindModel(Tenant tenant, string? name)
    {
        if (name is not { Length: > 0 })
            return null;
        var key = ModelName.KeyOf(name);
        if (chains.Find(key) is null && ModelReference.Resolve(name) is { IsResolved: true } reference)
            key = reference.Key;
        var isAlias = chains.Find(key) is { IsAlias: true };
        var view = isAlias ? null : fleet.Current.For(tenant.Instances).Models.GetValueOrDefault(key);
        // A listed model is known without starting its tier.
        var isAsleep = view is { IsAsleep: true };
        if (!isAlias && !isAsleep && view?.Parts is null)
            return null;
        var models = For(tenant, isAwake: false).Models;
        // An alias is listed with its tag, as in Ollama.
        var model = models.TryGetValue(name, out var listed) && (isAlias || listed.Json.IsEmpty) ? listed
            : isAlias || isAsleep ? models.Values.FirstOrDefault(m => m.Key == key)
            : null;
        if (model is null)
            return null;
        return Inventory.WriteOpenAI(model, name);
    }

    /// <summary>The lists of the models that a tenant may use.</summary>
    /// <param name="tenant">The tenant whose models are listed.</param>
    /// <param name="isAwake">Whether to leave out models whose tier must be started first.</param>
    public Inventory For(Tenant tenant, bool isAwake)
    {
        var snapshot = fleet.Current.For(tenant.Instances);
        // Cached for each snapshot and set of models; collected with the snapshot.
        return _inventories.GetOrCreateValue(snapshot).GetOrAdd(
            new InventoryKey(tenant.Models, chains.Aliases, isAwake && !snapshot.Cold.IsEmpty),
            static (key, snapshot) => Inventory.Of(snapshot, key.Access is { } access ? access.Allows : null, key.Aliases, key.IsAwake),
            snapshot);
    }

    private readonly record struct InventoryKey(ModelAccess? Access, ImmutableArray<ModelChain> Aliases, bool IsAwake);
}

using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Catalog;

internal sealed class FleetInventory(IFleet fleet, ModelChains chains)
{
    private readonly ConditionalWeakTable<FleetSnapshot, ConcurrentDictionary<InventoryKey, Inventory>> _inventories = new();

    /// <summary>For an alias, a model of OpenAI servers only, or one of a cold tier at zero; null if an Ollama server can serve it.</summary>
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

    /// <summary>The lists of the models that a tenant may use; <paramref name="isAwake"/> leaves out models whose tier must be started first.</summary>
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

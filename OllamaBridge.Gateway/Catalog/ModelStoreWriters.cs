using System.Collections.Concurrent;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Protocols.Bodies;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Catalog;

/// <summary>Chooses the instance that carries out a change of the models on disk, so that requests that belong together reach the same one.</summary>
internal sealed class ModelStoreWriters(IFleet fleet)
{
    // Uploads whose create request is still to come; far more than clients prepare at a time.
    private const int MaxRemembered = 4096;
    private readonly ConcurrentDictionary<string, Instance> _blobs = new(StringComparer.Ordinal);

    public void Remember(string digest, Instance instance)
    {
        if (_blobs.Count >= MaxRemembered)
            _blobs.Clear();
        _blobs[digest] = instance;
    }

    /// <summary>Prefers an instance with the blobs or the source model, then one with the model; of several the first by name, for a stable choice.</summary>
    public Instance? Choose(ModelChange change, IReadOnlySet<Instance>? tried)
    {
        var snapshot = fleet.Current.For(change.Tenant.Instances);
        if (change.Operation.Type == OperationType.Blob && _blobs.TryGetValue(change.Rest, out var known) && IsUsable(snapshot, known, tried))
            return known;
        foreach (var digest in change.Digests)
            if (_blobs.TryGetValue(digest, out var holder) && IsUsable(snapshot, holder, tried))
                return holder;
        return (change.SourceKey is { } source ? First(snapshot, source, change.ModelKey, tried) : null) ?? First(snapshot, change.ModelKey, change.ModelKey, tried);
    }

    private static Instance? First(FleetSnapshot snapshot, string modelKey, string changedKey, IReadOnlySet<Instance>? tried)
    {
        Instance? first = null;
        if (modelKey.Length > 0)
        {
            foreach (var placement in snapshot.Models.GetValueOrDefault(modelKey)?.Placements ?? [])
                if (placement is { Id: null, View.IsUsable: true } && Precedes(placement.Instance))
                    first = placement.Instance;
            if (first is not null || modelKey == changedKey)
                return first;
        }

        foreach (var view in snapshot.Instances)
            if (view is { IsUsable: true, Instance.OpenAI: null } && Precedes(view.Instance))
                first = view.Instance;
        return first;

        bool Precedes(Instance instance) =>
            tried?.Contains(instance) != true && (first is null || string.CompareOrdinal(instance.Name, first.Name) < 0);
    }

    private static bool IsUsable(FleetSnapshot snapshot, Instance instance, IReadOnlySet<Instance>? tried)
    {
        if (tried?.Contains(instance) == true)
            return false;
        foreach (var view in snapshot.Instances)
            if (view.Instance == instance)
                return view.IsUsable;
        return false;
    }
}

/// <summary>A change of the models on disk.</summary>
/// <param name="Rest">The blob's digest; empty for other operations.</param>
/// <param name="ModelKey">The canonical name of the changed model; empty for none.</param>
/// <param name="SourceKey">The model that must be on the instance's disk: the source of a <c>create</c>, or the model of a <c>push</c>.</param>
internal sealed record ModelChange(
    Operation Operation, string Rest, Tenant Tenant, string ModelKey, string? SourceKey, IReadOnlyList<string> Digests)
{
    public static ModelChange Of(OperationFeature operation, Tenant tenant, RequestBodyFeature body, string modelKey) => new(
        operation.Operation, operation.Rest, tenant, modelKey, SourceOf(operation.Operation, body), body.Facts.Digests ?? []);

    private static string? SourceOf(Operation operation, RequestBodyFeature body)
    {
        var name = operation.Type switch
        {
            OperationType.Create when body.Body is { } received => received.Read(bytes => CreateSource.Read(bytes)),
            OperationType.Push => body.Facts.Model,
            _ => null,
        };
        return name is not null && ModelName.TryGetKey(name, out var key) ? key : null;
    }
}

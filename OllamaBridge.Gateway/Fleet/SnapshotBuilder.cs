using System.Collections.Frozen;
using System.Collections.Immutable;
using OllamaBridge.Gateway.Discovery;
using OllamaBridge.Gateway.Fleet.Breaker;
using OllamaBridge.Gateway.Fleet.Weights;

namespace OllamaBridge.Gateway.Fleet;

/// <summary>Builds snapshots and keeps the state of models and placements between them. Used only by the fleet's owner.</summary>
internal sealed class SnapshotBuilder(PlacementKeeper? keeper = null, ColdTiers? tiers = null, ModelDigests? digests = null, ModelWeights? weights = null)
{
    private readonly Dictionary<string, CatalogModel> _lastSeen = new(StringComparer.Ordinal);
    private readonly Dictionary<string, ModelState> _models = [];
    private readonly Dictionary<Instance, Dictionary<string, PlacementState>> _placements = [];
    private readonly ModelState _anything = new("");
    private readonly Dictionary<Instance, PlacementState> _anythingPlacements = [];
    private long _version;

    public ColdTiers Tiers { get; set; } = tiers ?? ColdTiers.None;

    public ModelDigests Digests { get; set; } = digests ?? ModelDigests.Newest;

    /// <summary>Builds the next snapshot from the views of all instances in configured order.</summary>
    public FleetSnapshot Build(ImmutableArray<InstanceView> views)
    {
        Forget(views);
        var placements = new Dictionary<string, (string Name, ImmutableArray<ModelPlacement>.Builder List)>();
        var anything = ImmutableArray.CreateBuilder<ModelPlacement>(views.Length);
        foreach (var view in views)
        {
            var cells = UpdateCells(view);
            foreach (var model in view.Catalog)
            {
                if (!placements.TryGetValue(model.Key, out var entry))
                    placements[model.Key] = entry = (model.Name, ImmutableArray.CreateBuilder<ModelPlacement>());
                if (Tiers.Find(model.Key) is { } tier)
                {
                    if (tier.Owns(view.Instance.Name))
                        _lastSeen[model.Key] = model;
                    // (Running tiers of another region make no difference.)
                    else if (tier.IsExclusive && !view.Instance.IsPeer)
                        continue;
                }

                entry.List.Add(new ModelPlacement(view, cells[CellOf(view.Instance, model)], view.Instance.OpenAI is null ? null : model.Name)
                {
                    Digest = model.Digest,
                    ModifiedAt = model.ModifiedAt,
                });
            }

            // A request without a model name must reach an Ollama server of this region: other servers choose a model of their own.
            if (view.Instance.Kind != InstanceKind.Ollama)
                continue;
            if (!_anythingPlacements.TryGetValue(view.Instance, out var any))
                _anythingPlacements[view.Instance] = any = new PlacementState(_anything);
            anything.Add(new ModelPlacement(view, any));
        }

        ImmutableArray<ColdModel> cold = [.. Tiers.All.SelectMany(t => t.Models.Select(m => new ColdModel(t, _lastSeen.GetValueOrDefault(m.Key, m))))];
        foreach (var (_, model) in cold)
            if (!placements.ContainsKey(model.Key))
                placements[model.Key] = (model.Name, ImmutableArray.CreateBuilder<ModelPlacement>());

        // Before the snapshot is visible: a recovered placement must start slowly.
        keeper?.Observe(views, _placements);
        var models = placements.ToFrozenDictionary(
            p => p.Key,
            p => ModelView.Of(p.Value.Name, ModelStateOf(p.Key), p.Value.List.ToImmutable(), Digests) with { Tier = Tiers.Find(p.Key) },
            StringComparer.Ordinal);
        return new FleetSnapshot(
            ++_version,
            views,
            models,
            new ModelView("", _anything, anything.ToImmutable()))
        {
            Cold = cold,
            DigestRules = Digests,
        };
    }

    /// <summary><paramref name="loaded"/> has canonical names. <paramref name="askedAt"/> is the time of the request for the list, in ticks.</summary>
    public void ObserveLoaded(Instance instance, IReadOnlySet<string> loaded, long askedAt)
    {
        // An OpenAI server's models are always in memory.
        if (instance.OpenAI is not null)
            return;
        instance.ObserveLoadedCount(loaded.Count);
        if (!_placements.TryGetValue(instance, out var cells))
            return;
        // While a requested model waits for memory, the model to be evicted is still listed, but not for long.
        var makesRoom = cells.Any(c => c.Value.IsLoading && c.Value.Active > 0 && !loaded.Contains(c.Key));
        foreach (var (key, cell) in cells)
        {
            var isOnItsWay = cell.IsLoading && cell.Active > 0 && !loaded.Contains(key);
            if (!isOnItsWay && (!makesRoom || cell.IsResident))
                cell.Observe(loaded.Contains(key), askedAt);
        }
    }

    private Dictionary<string, PlacementState> UpdateCells(InstanceView view)
    {
        if (!_placements.TryGetValue(view.Instance, out var cells))
            _placements[view.Instance] = cells = [];
        var changed = false;
        foreach (var model in view.Catalog)
        {
            var at = CellOf(view.Instance, model);
            if (cells.ContainsKey(at))
                continue;
            var cell = cells[at] = new PlacementState(ModelStateOf(model.Key), view.Instance);
            cell.Observe(view.Instance.OpenAI is not null || view.Loaded.Any(l => l.Key == model.Key), askedAt: 1);
            changed = true;
        }

        if (cells.Count > view.Catalog.Length)
        {
            var keep = view.Catalog.Select(m => CellOf(view.Instance, m)).ToHashSet();
            foreach (var key in cells.Keys.Where(k => !keep.Contains(k)).ToArray())
                if (cells.Remove(key, out var cell))
                    cell.Retire();
            changed = true;
        }

        if (changed)
            view.Instance.SetPlacements([.. cells.Values]);
        SetTwins(view, cells);
        return cells;
    }

    /// <summary>Links the names of one digest, and those created from one base: they share their weights, which a server keeps in memory once.</summary>
    private void SetTwins(InstanceView view, Dictionary<string, PlacementState> cells)
    {
        if (view.Instance.OpenAI is not null)
            return;
        Dictionary<string, List<PlacementState>>? byWeights = null;
        foreach (var model in view.Catalog)
            if (WeightsOf(model) is { } key)
                ((byWeights ??= new(StringComparer.Ordinal)).TryGetValue(key, out var same) ? same : byWeights[key] = []).Add(cells[model.Key]);
        foreach (var model in view.Catalog)
        {
            var cell = cells[model.Key];
            var twins = WeightsOf(model) is { } key && byWeights![key] is { Count: > 1 } same ? same.Where(c => c != cell).ToArray() : [];
            if (!cell.Twins.SequenceEqual(twins))
                cell.SetTwins(twins);
        }
    }

    private string? WeightsOf(CatalogModel model) => model.Digest is { } digest ? weights?.KeyOf(digest) ?? digest : null;

    /// <summary>An OpenAI server may have two models whose names Ollama treats as equal, so each id has its own state.</summary>
    private static string CellOf(Instance instance, CatalogModel model) => instance.OpenAI is null ? model.Key : model.Name;

    private ModelState ModelStateOf(string key)
    {
        if (!_models.TryGetValue(key, out var state))
            _models[key] = state = new ModelState(key);
        return state;
    }

    private void Forget(ImmutableArray<InstanceView> views)
    {
        var present = views.Select(v => v.Instance).ToHashSet();
        foreach (var gone in _placements.Keys.Where(i => !present.Contains(i)).ToArray())
        {
            foreach (var cell in _placements[gone].Values)
                cell.Retire();
            _placements.Remove(gone);
        }

        foreach (var gone in _anythingPlacements.Keys.Where(i => !present.Contains(i)).ToArray())
            _anythingPlacements.Remove(gone);
        var models = views.SelectMany(v => v.Catalog).Select(m => m.Key).Concat(Tiers.All.SelectMany(t => t.Models).Select(m => m.Key)).ToHashSet();
        // A model with queued requests keeps its state, so that counts stay correct if the model comes back.
        foreach (var gone in _models.Where(m => !models.Contains(m.Key) && m.Value.Waiting == 0).Select(m => m.Key).ToArray())
            _models.Remove(gone);
    }
}

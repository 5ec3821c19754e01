using System.Collections.Concurrent;
using System.Collections.Frozen;
using System.Collections.Immutable;
using OllamaBridge.Gateway.Common;
using OllamaBridge.Gateway.Discovery;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Fleet;

internal enum InstanceStatus
{
    /// <summary>No probe has ended, or none has succeeded yet.</summary>
    Unknown,

    Healthy,

    Unhealthy,

    /// <summary>Probes succeed, but requests failed; the instance gets none until the ejection ends.</summary>
    Ejected,
}

/// <summary>A model on an instance's disk. <c>Key</c> is the canonical name (<see cref="ModelName"/>), <c>Name</c> is in the instance's spelling.</summary>
/// <param name="Json">The instance's own JSON object, byte for byte; empty if it has no entry in Ollama's format.</param>
/// <param name="Owner">The owner that an OpenAI server reports; null if it is derived from the name.</param>
internal sealed record CatalogModel(string Key, string Name, DateTimeOffset ModifiedAt, ReadOnlyMemory<byte> Json, string? Owner = null)
{
    public string? Digest { get; init; }

    /// <summary>Size on disk in bytes; null if the instance does not report it.</summary>
    public long? Size { get; init; }

    /// <summary>Whether the instance forwards requests for it to another server.</summary>
    public bool IsRemote { get; init; }
}

/// <summary>A model in an instance's memory, to be unloaded at <c>ExpiresAt</c> unless it is used. <c>Json</c> is the instance's object, byte for byte.</summary>
internal sealed record LoadedModel(string Key, string Name, DateTimeOffset ExpiresAt, ReadOnlyMemory<byte> Json)
{
    /// <summary>Whether the whole model is in GPU memory (<c>size_vram</c> is not below <c>size</c>); true if the server does not report it.</summary>
    public bool IsInVram => SizeInVram is not { } inVram || !(inVram < Size);

    /// <summary>Memory use in bytes; null if the server does not report it.</summary>
    public long? Size { get; init; }

    /// <summary>The part of <see cref="Size"/> in GPU memory, in bytes; null if the server does not report it.</summary>
    public long? SizeInVram { get; init; }
}

internal sealed record InstanceView(
    Instance Instance,
    InstanceStatus Status,
    bool Draining,
    bool CatalogKnown,
    ImmutableArray<CatalogModel> Catalog,
    ImmutableArray<LoadedModel> Loaded,
    string? Version,
    string? LastError)
{
    public bool IsConfigured { get; init; } = true;

    public DateTimeOffset? DrainDeadline { get; init; }

    public Moment? DrainDue { get; init; }

    /// <summary>Whether it drains because its server is shutting down, without an operator's directive.</summary>
    public bool IsLeaving { get; init; }

    /// <summary>Capabilities of its kind that the server lacks.</summary>
    public ImmutableArray<string> Remarks { get; init; } = [];

    public bool IsUsable => Status == InstanceStatus.Healthy && !Draining;
}

/// <summary>One model on one instance.</summary>
/// <param name="Id">The only name by which an OpenAI server knows it; null for an Ollama server, which accepts several spellings.</param>
internal sealed record ModelPlacement(InstanceView View, PlacementState State, string? Id = null)
{
    public Instance Instance => View.Instance;

    public string? Digest { get; init; }

    public DateTimeOffset ModifiedAt { get; init; }
}

/// <summary>A placement in a flat layout, for loops over thousands of them.</summary>
/// <remarks><c>HadOnlyCopy</c>: when the snapshot was taken, the instance had a model in memory that no other instance had in memory.</remarks>
internal readonly record struct UsablePlacement(ModelPlacement Placement, Instance Instance, PlacementState State, bool HadOnlyCopy);

/// <summary>One model and the instances that have it. If a name has several digests, only those with the served digest (<see cref="ModelDigests"/>).</summary>
internal sealed record ModelView(string Name, ModelState State, ImmutableArray<ModelPlacement> Placements)
{
    private readonly Lock _lock = new();
    private ModelParts? _parts;
    private bool _divided;
    private ModelRegions? _regions;
    private readonly bool _isAnyHere = Placements.Any(p => p.View.IsUsable && !p.Instance.IsPeer);

    /// <summary>The served digest; null if no instance reports one.</summary>
    public string? Digest { get; init; }

    /// <summary>Placements of the same name with another digest; they get no requests.</summary>
    public ImmutableArray<ModelPlacement> Others { get; init; } = [];

    public static ModelView Of(string name, ModelState state, ImmutableArray<ModelPlacement> all, ModelDigests digests)
    {
        var (digest, served, others) = digests.Divide(state.Key, all);
        return new ModelView(name, state, served) { Digest = digest, Others = others };
    }

    /// <returns>Null if no instance has the pinned digest any more.</returns>
    public ModelView? For(DigestPin pin)
    {
        if (!pin.IsSet || Placements.All(p => p.Digest == pin.Digest))
            return this;
        ImmutableArray<ModelPlacement> same = [.. Placements.Concat(Others).Where(p => p.Digest == pin.Digest)];
        return same.IsEmpty ? null : new ModelView(Name, State, same) { Digest = pin.Digest, Part = Part, Tier = Tier };
    }

    /// <summary>The part of the model in this view; the default for the whole model.</summary>
    public ModelPart Part { get; init; }

    public ColdTier? Tier { get; init; }

    /// <summary>Whether a tier must be started before an instance of this region can serve the model. Another region's bridge may serve it meanwhile.</summary>
    public bool IsAsleep => Tier is not null && !_isAnyHere;

    public ModelParts? Parts
    {
        get
        {
            if (Volatile.Read(ref _divided))
                return _parts;
            lock (_lock)
            {
                _parts ??= ModelParts.Of(this);
                Volatile.Write(ref _divided, true);
                return _parts;
            }
        }
    }

    public ModelView? For(in ModelPart part) => part.Route == ApiRoutes.None || Parts is not { } parts ? this : parts.Find(part);

    public bool HasPeers { get; } = Placements.Any(p => p.Instance.IsPeer);

    /// <summary>Used only if <see cref="HasPeers"/>.</summary>
    public ModelRegions Regions
    {
        get
        {
            if (Volatile.Read(ref _regions) is { } known)
                return known;
            lock (_lock)
                return _regions ??= ModelRegions.Of(this);
        }
    }

    /// <summary>The placements that can get requests (healthy, not draining), in the scheduler's layout.</summary>
    public ImmutableArray<UsablePlacement> Usable { get; } =
        [.. Placements.Where(p => p.View.IsUsable).Select(p => new UsablePlacement(p, p.Instance, p.State, p.Instance.HasOnlyCopy()))];

    /// <summary>For each of <see cref="Usable"/>, the instance's seed for rendezvous hashing.</summary>
    public ImmutableArray<uint> Seeds { get; } = [.. Placements.Where(p => p.View.IsUsable).Select(p => p.Instance.Seed)];

    /// <summary>For each of <see cref="Usable"/>, 1 / seconds to the first token when the snapshot was taken; 0 if unknown.</summary>
    public ImmutableArray<float> FirstTokenRates { get; } = [.. Placements.Where(p => p.View.IsUsable).Select(p => p.State.FirstTokenRate)];

    public string Key => State.Key;
}

internal sealed record FleetSnapshot(
    long Version,
    ImmutableArray<InstanceView> Instances,
    FrozenDictionary<string, ModelView> Models,
    ModelView Anything)
{
    private readonly ConcurrentDictionary<InstanceAccess, FleetSnapshot> _parts = new();
    private FrozenSet<string>? _remote;

    /// <summary>Whether an instance lists a model, by its canonical name, that it forwards to another server (<c>remote_host</c>).</summary>
    public bool IsRemote(string key)
    {
        _remote ??= Instances.SelectMany(i => i.Catalog).Where(m => m.IsRemote).Select(m => m.Key).ToFrozenSet(StringComparer.Ordinal);
        return _remote.Count > 0 && _remote.Contains(key);
    }

    public ImmutableArray<ColdModel> Cold { get; init; } = [];

    public ModelDigests DigestRules { get; init; } = ModelDigests.Newest;

    public ImmutableArray<DigestMismatch> Mismatches { get; } =
        [.. Models.Values.Where(m => !m.Others.IsEmpty).OrderBy(m => m.Key, StringComparer.Ordinal)
            .SelectMany(m => m.Others.Select(o => new DigestMismatch(m.Key, o.Instance, o.Digest!, m.Digest!)))];

    public IReadOnlyDictionary<string, string>? ServedDigests { get; } = Served(Models.Values);

    public static FleetSnapshot Empty { get; } = new(
        0,
        [],
        FrozenDictionary<string, ModelView>.Empty,
        new ModelView("", new ModelState(""), []));

    /// <param name="key">Canonical name; empty if any Ollama server can serve the request.</param>
    public ModelView? Find(string key, in ModelPart part) =>
        key.Length > 0 ? Models.GetValueOrDefault(key)?.For(part) : Anything.Placements.IsEmpty ? null : Anything;

    /// <summary>The part of the fleet that a tenant may use, cached for each snapshot and set of rules. Null is no restriction.</summary>
    public FleetSnapshot For(InstanceAccess? access) => access is null ? this : _parts.GetOrAdd(access, Narrow);

    private FleetSnapshot Narrow(InstanceAccess access)
    {
        ImmutableArray<InstanceView> instances = [.. Instances.Where(i => access.Allows(i.Instance.Name))];
        ImmutableArray<ColdModel> cold = [.. Cold.Where(c => access.MayAllow(c.Tier.Pattern))];
        var models = Models.Values.Select(m => Narrow(m, access)).Where(m => !m.Placements.IsEmpty || m.Tier is not null)
            .ToFrozenDictionary(m => m.Key, StringComparer.Ordinal);
        return new FleetSnapshot(
            Version,
            instances,
            models,
            Narrow(Anything, access))
        {
            Cold = cold,
            DigestRules = DigestRules,
        };
    }

    public static Dictionary<string, string>? Served(IEnumerable<ModelView> models)
    {
        Dictionary<string, string>? digests = null;
        foreach (var model in models)
            if (!model.Others.IsEmpty)
                (digests ??= new Dictionary<string, string>(StringComparer.Ordinal))[model.Key] = model.Digest!;
        return digests;
    }

    private ModelView Narrow(ModelView model, InstanceAccess access) =>
        ModelView.Of(model.Name, model.State, [.. model.Placements.Concat(model.Others).Where(p => access.Allows(p.Instance.Name))], DigestRules) with
        {
            Tier = model.Tier is { } tier && access.MayAllow(tier.Pattern) ? tier : null,
        };

    /// <summary>Whether a model list has been read, of an Ollama server if the region has one. Before that no model can be reported as unknown.</summary>
    public bool AnyCatalogKnown
    {
        get
        {
            var (known, anyOllama) = (false, false);
            foreach (var instance in Instances)
            {
                var isOllama = instance.Instance.Kind == InstanceKind.Ollama;
                if (isOllama && instance.CatalogKnown)
                    return true;
                anyOllama |= isOllama;
                known |= instance.CatalogKnown;
            }

            return known && !anyOllama;
        }
    }
}

using System.Collections.Concurrent;
using System.Collections.Frozen;
using System.Collections.Immutable;
using OllamaBridge.Gateway.Common;
using OllamaBridge.Gateway.Identity;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Fleet;

/// <summary>Whether an instance may be given work.</summary>
internal enum InstanceStatus
{
    /// <summary>Not yet asked, or asked without an answer so far.</summary>
    Unknown,

    /// <summary>It answers.</summary>
    Healthy,

    /// <summary>It does not answer its health routes.</summary>
    Unhealthy,

    /// <summary>Its health routes answer, but requests failed; it is left alone for a while.</summary>
    Ejected,
}

/// <summary>A model on an instance's disk.</summary>
/// <param name="Key">Canonical name (<see cref="ModelName"/>).</param>
/// <param name="Name">The name as the instance writes it.</param>
/// <param name="ModifiedAt">When it was last changed there.</param>
/// <param name="Json">The instance's own JSON object, byte for byte; empty where it has none of Ollama's.</param>
/// <param name="Owner">Who it belongs to, as an OpenAI server says; null where that is seen from the name.</param>
internal sealed record CatalogModel(string Key, string Name, DateTimeOffset ModifiedAt, ReadOnlyMemory<byte> Json, string? Owner = null)
{
    /// <summary>What it is, whatever its name; null if the instance does not tell.</summary>
    public string? Digest { get; init; }

    /// <summary>Size on disk in bytes; null if the instance does not report it.</summary>
    public long? Size { get; init; }

    /// <summary>Whether the instance passes requests for it on to another server.</summary>
    public bool IsRemote { get; init; }
}

/// <summary>A model in an instance's memory.</summary>
/// <param name="Key">Canonical name.</param>
/// <param name="Name">The name as the instance writes it.</param>
/// <param name="ExpiresAt">When it will leave memory, unless used.</param>
/// <param name="Json">The instance's own JSON object, byte for byte.</param>
internal sealed record LoadedModel(string Key, string Name, DateTimeOffset ExpiresAt, ReadOnlyMemory<byte> Json)
{
    /// <summary>Whether all of it is in the memory of a GPU (<c>size_vram</c> is not below <c>size</c>); also where the server does not say.</summary>
    public bool IsInVram => SizeInVram is not { } inVram || !(inVram < Size);

    /// <summary>What it takes of memory, in bytes; null where the server does not say.</summary>
    public long? Size { get; init; }

    /// <summary>What of that is in the memory of a GPU, in bytes; null where the server does not say.</summary>
    public long? SizeInVram { get; init; }
}

/// <summary>What was known about one instance when the snapshot was taken.</summary>
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
    /// <summary>Whether it comes from the configuration; else an operator has added it.</summary>
    public bool IsConfigured { get; init; } = true;

    /// <summary>By when it is to be empty; null where it may take its time, or is not emptied.</summary>
    public DateTimeOffset? DrainDeadline { get; init; }

    /// <summary><see cref="DrainDeadline"/> in this process's monotonic time.</summary>
    public Moment? DrainDue { get; init; }

    /// <summary>Whether it ends of itself: it is emptied for that, not on an operator's word.</summary>
    public bool IsLeaving { get; init; }

    /// <summary>What it cannot do that one of its kind can.</summary>
    public ImmutableArray<string> Remarks { get; init; } = [];

    /// <summary>Healthy and not being emptied.</summary>
    public bool IsUsable => Status == InstanceStatus.Healthy && !Draining;
}

/// <summary>One model on one instance.</summary>
/// <param name="View">The instance.</param>
/// <param name="State">What changes about the model there.</param>
/// <param name="Id">The one name by which an OpenAI server knows it; null at an Ollama server, which reads names more freely.</param>
internal sealed record ModelPlacement(InstanceView View, PlacementState State, string? Id = null)
{
    /// <summary>The instance.</summary>
    public Instance Instance => View.Instance;

    /// <summary>What the model is there; null if the instance does not tell.</summary>
    public string? Digest { get; init; }

    /// <summary>When it was last changed there.</summary>
    public DateTimeOffset ModifiedAt { get; init; }
}

/// <summary>A placement without detours, for whoever looks at a thousand of them.</summary>
/// <param name="Placement">The placement.</param>
/// <param name="Instance">Its instance.</param>
/// <param name="State">Its state.</param>
/// <param name="HeldLastCopy">Whether, when the snapshot was taken, the instance had a model in memory that was nowhere else.</param>
internal readonly record struct UsablePlacement(ModelPlacement Placement, Instance Instance, PlacementState State, bool HeldLastCopy);

/// <summary>One model and every instance that has it on disk, or serves it: of several models of one name the one that is served (<see cref="ModelDigests"/>).</summary>
internal sealed record ModelView(string Name, ModelState State, ImmutableArray<ModelPlacement> Placements)
{
    private readonly Lock _lock = new();
    private ModelParts? _parts;
    private bool _divided;
    private ModelRegions? _regions;
    private readonly bool _isAnyHere = Placements.Any(p => p.View.IsUsable && !p.Instance.IsPeer);

    /// <summary>The digest that is served; null if no instance tells one.</summary>
    public string? Digest { get; init; }

    /// <summary>Placements of the same name that are another model; they get no requests.</summary>
    public ImmutableArray<ModelPlacement> Others { get; init; } = [];

    /// <summary>Divides the placements of a name and makes the view of the model that is served.</summary>
    public static ModelView Of(string name, ModelState state, ImmutableArray<ModelPlacement> all, ModelDigests digests)
    {
        var (digest, served, others) = digests.Divide(state.Key, all);
        return new ModelView(name, state, served) { Digest = digest, Others = others };
    }

    /// <summary>The digest that may continue an answer.</summary>
    /// <param name="pin">The digest that the answer was begun with.</param>
    /// <returns>Null if no instance has that digest any more.</returns>
    public ModelView? For(DigestPin pin)
    {
        if (!pin.IsSet || Placements.All(p => p.Digest == pin.Digest))
            return this;
        ImmutableArray<ModelPlacement> same = [.. Placements.Concat(Others).Where(p => p.Digest == pin.Digest)];
        return same.IsEmpty ? null : new ModelView(Name, State, same) { Digest = pin.Digest, Part = Part, Tier = Tier };
    }

    /// <summary>Which part of the model this is; the default for all of it.</summary>
    public ModelPart Part { get; init; }

    /// <summary>The tier that is started for it where nobody has it; null for none.</summary>
    public ColdTier? Tier { get; init; }

    /// <summary>Whether a tier is to be started before anybody of this region can be asked for it. Another region's bridge may be asked meanwhile.</summary>
    public bool IsAsleep => Tier is not null && !_isAnyHere;

    /// <summary>Its parts; null where it is on Ollama servers alone.</summary>
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

    /// <summary>What of it a request can use; null for nothing.</summary>
    public ModelView? For(in ModelPart part) => part.Route == ApiRoutes.None || Parts is not { } parts ? this : parts.Find(part);

    /// <summary>Whether bridges of other regions have it as well.</summary>
    public bool HasPeers { get; } = Placements.Any(p => p.Instance.IsPeer);

    /// <summary>What is here of it and what is in other regions; asked for only where it <see cref="HasPeers"/>.</summary>
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

    /// <summary>Those that may be given work: healthy and not being emptied. Laid out for the scheduler.</summary>
    public ImmutableArray<UsablePlacement> Usable { get; } =
        [.. Placements.Where(p => p.View.IsUsable).Select(p => new UsablePlacement(p, p.Instance, p.State, p.Instance.HoldsLastCopy()))];

    /// <summary>For each of <see cref="Usable"/>, the instance's number for rendezvous hashing.</summary>
    public ImmutableArray<uint> Seeds { get; } = [.. Placements.Where(p => p.View.IsUsable).Select(p => p.Instance.Seed)];

    /// <summary>For each of <see cref="Usable"/>, one over the seconds to the first token when the snapshot was taken; 0 where unknown.</summary>
    public ImmutableArray<float> FirstTokenRates { get; } = [.. Placements.Where(p => p.View.IsUsable).Select(p => p.State.FirstTokenRate)];

    /// <summary>The canonical name.</summary>
    public string Key => State.Key;
}

/// <summary>The fleet at one moment. Immutable; whoever holds one sees one truth.</summary>
internal sealed record FleetSnapshot(
    long Version,
    ImmutableArray<InstanceView> Instances,
    FrozenDictionary<string, ModelView> Models,
    ModelView Anything,
    Inventory Inventory)
{
    private readonly ConcurrentDictionary<InstanceAccess, FleetSnapshot> _parts = new();
    private FrozenSet<string>? _remote;

    /// <summary>Whether an instance lists a model that it passes on to another server (<c>remote_host</c>).</summary>
    /// <param name="key">Canonical name.</param>
    public bool IsRemote(string key)
    {
        _remote ??= Instances.SelectMany(i => i.Catalog).Where(m => m.IsRemote).Select(m => m.Key).ToFrozenSet(StringComparer.Ordinal);
        return _remote.Count > 0 && _remote.Contains(key);
    }

    /// <summary>The models of cold tiers.</summary>
    public ImmutableArray<ColdModel> Cold { get; init; } = [];

    /// <summary>How the digest of a name is chosen.</summary>
    public ModelDigests DigestRules { get; init; } = ModelDigests.Newest;

    /// <summary>Instances that have another model under a name than is served.</summary>
    public ImmutableArray<DigestMismatch> Mismatches { get; } =
        [.. Models.Values.Where(m => !m.Others.IsEmpty).OrderBy(m => m.Key, StringComparer.Ordinal)
            .SelectMany(m => m.Others.Select(o => new DigestMismatch(m.Key, o.Instance, o.Digest!, m.Digest!)))];

    /// <summary>The digests that are served under names that mean several models; null for none.</summary>
    public IReadOnlyDictionary<string, string>? ServedDigests { get; } = Served(Models.Values);

    /// <summary>Before anything is known.</summary>
    public static FleetSnapshot Empty { get; } = new(
        0,
        [],
        FrozenDictionary<string, ModelView>.Empty,
        new ModelView("", new ModelState(""), []),
        Inventory.Build([]));

    /// <summary>Finds a model, as far as a request can use it.</summary>
    /// <param name="key">Canonical name; empty where any Ollama server will do.</param>
    /// <param name="part">What the request can use.</param>
    /// <returns>Null where no instance has it for such a request.</returns>
    public ModelView? Find(string key, in ModelPart part) =>
        key.Length > 0 ? Models.GetValueOrDefault(key)?.For(part) : Anything.Placements.IsEmpty ? null : Anything;

    /// <summary>The part of the fleet that a tenant may use, made once for each snapshot and set of rules.</summary>
    /// <param name="access">The rules; null for no restriction.</param>
    public FleetSnapshot For(InstanceAccess? access) => access is null ? this : _parts.GetOrAdd(access, Narrow);

    private FleetSnapshot Narrow(InstanceAccess access)
    {
        ImmutableArray<InstanceView> instances = [.. Instances.Where(i => access.Allows(i.Instance.Name))];
        ImmutableArray<ColdModel> cold = [.. Cold.Where(c => access.MayAllow(c.Tier.Pattern))];
        var models = Models.Values.Select(m => Narrow(m, access)).Where(m => !m.Placements.IsEmpty || m.Tier is not null).ToFrozenDictionary(m => m.Key, StringComparer.Ordinal);
        return new FleetSnapshot(
            Version,
            instances,
            models,
            Narrow(Anything, access),
            Inventory.Build(instances, cold: cold, digests: Served(models.Values)))
        {
            Cold = cold,
            DigestRules = DigestRules,
        };
    }

    /// <summary>The digests that are served under names that mean several models; null for none.</summary>
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

    /// <summary>Whether the model list of at least one instance has been read: only then can a model be called unknown.</summary>
    /// <remarks>Where there are Ollama servers here, one of theirs: what is known of others says nothing of them.</remarks>
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

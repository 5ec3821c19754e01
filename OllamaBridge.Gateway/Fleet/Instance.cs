using System.IO.Hashing;
using System.Net.Http.Headers;
using System.Runtime.CompilerServices;
using System.Text;
using OllamaBridge.Gateway.Fleet.Breaker;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Regions;

namespace OllamaBridge.Gateway.Fleet;

/// <summary>One server of the fleet: who it is, and the counters that change with every request.</summary>
/// <remarks>The object lives as long as the instance is configured; a lease keeps it past that.</remarks>
internal sealed class Instance
{
    private readonly FailureRow _failures = new();
    private int _slots;
    private int _slotsUsed;
    private int _allowance = int.MaxValue;
    private int _usedElsewhere;
    private float _slotShare;
    private int _capacity;
    private int _maxLoadedModels;
    private int _residents;
    private long _lastUsed;
    private int _usedBefore;
    private int _usedThere;
    private PeerLoad? _load;
    private PlacementState[] _placements = [];
    private InstanceDefinition _definition;

    public Instance(InstanceDefinition definition)
    {
        Name = definition.Name;
        Url = definition.Url;
        Prefix = InstanceAddress.Prefix(definition.Url, definition.OpenAI is not null);
        Seed = XxHash32.HashToUInt32(Encoding.UTF8.GetBytes(definition.Name));
        IsPeer = definition.Peer is not null;
        _definition = definition;
        Configure(definition);
    }

    /// <summary>What operators call it.</summary>
    public string Name { get; }

    /// <summary>Its base address.</summary>
    public Uri Url { get; }

    /// <summary>Whether its address has https.</summary>
    public bool IsTls => Url.Scheme == Uri.UriSchemeHttps;

    /// <summary>The address as the forwarder takes it: no trailing slash.</summary>
    public string Prefix { get; }

    /// <summary>A number that belongs to the name, the same in every process, for rendezvous hashing.</summary>
    public uint Seed { get; }

    /// <summary>How it was described last.</summary>
    public InstanceDefinition Definition => Volatile.Read(ref _definition);

    /// <summary>What it speaks.</summary>
    public InstanceKind Kind => Volatile.Read(ref _definition).Kind;

    /// <summary>What the next one of its name will not have; null where that cannot be told.</summary>
    public string? Incarnation => Volatile.Read(ref _definition).Incarnation;

    /// <summary>Whether it was found as one of a group.</summary>
    public bool IsDiscovered => Volatile.Read(ref _definition).IsDiscovered;

    /// <summary>Whether it is the bridge of another region.</summary>
    public bool IsPeer { get; }

    /// <summary>What it is as such; null for a server of this region.</summary>
    public PeerBridge? Peer => Volatile.Read(ref _definition).Peer;

    /// <summary>What it serves where it speaks only OpenAI's API; null for an Ollama server.</summary>
    public OpenAIService? OpenAI => Volatile.Read(ref _definition).OpenAI;

    /// <summary>The routes that it has.</summary>
    public ApiRoutes Routes => OpenAI is { } service ? ApiRoutes.OpenAI | service.Routes : ApiRoutes.All;

    /// <summary>The key that it wants of the bridge; null for none.</summary>
    public InstanceKey? ApiKey => Volatile.Read(ref _definition).ApiKey;

    /// <summary>Adds its key if it wants one and its TLS settings; tells another region's bridge where the request has been. For every request to it.</summary>
    /// <param name="request">What is about to be sent there.</param>
    public void Authorize(HttpRequestMessage request)
    {
        if (ApiKey is { } key)
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", key.Value);
        if (Peer is { } peer)
            request.Headers.TryAddWithoutValidation(PeerBridge.Header, peer.Self);
        if (Definition.Tls is { } tls)
            request.Options.Set(InstanceTls.Option, tls);
    }

    /// <summary>How many leases may be out at once.</summary>
    public int Slots => Volatile.Read(ref _slots);

    /// <summary>How many leases are out.</summary>
    public int SlotsUsed => Volatile.Read(ref _slotsUsed);

    /// <summary>How many of its slots this gateway may use; the others are other gateways'. No bound where there is but one.</summary>
    public int Allowance
    {
        get => Volatile.Read(ref _allowance);
        set => Volatile.Write(ref _allowance, value);
    }

    /// <summary>How many leases other gateways had out when they last said so.</summary>
    public int UsedElsewhere
    {
        get => Volatile.Read(ref _usedElsewhere);
        set => Volatile.Write(ref _usedElsewhere, value);
    }

    /// <summary>The share of its slots that is free, from 0 to 1; 0 only where this gateway may take none.</summary>
    public float FreeShare
    {
        get
        {
            var (slots, used) = (Slots, SlotsUsed);
            return used >= Math.Min(slots, Allowance) ? 0 : Math.Max(1, slots - used - UsedElsewhere) * Volatile.Read(ref _slotShare);
        }
    }

    /// <summary>How many requests more this gateway may give it for a model now, as far as is known.</summary>
    /// <param name="model">Canonical name.</param>
    public int FreeSlots(string model) => Math.Min(Math.Min(Slots, Allowance), PeerLimit(model)) - SlotsUsed;

    /// <summary>How many requests the bridge of another region may hold of this gateway, one for this model included; no bound for a server of this region.</summary>
    /// <param name="model">Canonical name.</param>
    public int PeerLimit(string model) => !IsPeer ? int.MaxValue
        : Volatile.Read(ref _load) is { } load ? Volatile.Read(ref _usedThere) + Math.Min(load.Room(model, Allowance, Slots), Slots)
        : 0;

    /// <summary>Whether the bridge of another region has somebody for a model who can be given work, now or later.</summary>
    /// <param name="model">Canonical name.</param>
    public bool PeerCanServe(string model) => Volatile.Read(ref _load)?.CanServe(model) == true;

    /// <summary>Takes in what the bridge of another region said of its room (the fleet's owner only).</summary>
    /// <param name="report">What it said; null where it did not answer.</param>
    /// <param name="used">Slots in use when it was asked.</param>
    internal void TakeLoad(RegionReport? report, int used)
    {
        // What was sent just before it was asked may not have arrived there: sure is only what was there at the look before, too.
        Volatile.Write(ref _load, report is null ? null : new PeerLoad(report));
        Volatile.Write(ref _usedThere, Math.Min(Math.Min(used, _usedBefore), SlotsUsed));
        _usedBefore = report is null ? 0 : used;
    }

    /// <summary>Models that its memory is known to hold at once: configured, else the most that were ever seen, at least 1.</summary>
    public int Capacity => Volatile.Read(ref _maxLoadedModels) is > 0 and var configured ? configured : Math.Max(1, Volatile.Read(ref _capacity));

    /// <summary>The models on its disk, as state.</summary>
    public ReadOnlySpan<PlacementState> Placements => Volatile.Read(ref _placements);

    /// <summary>Takes one slot unless all that this gateway may use are in use. Never gives out more than there are.</summary>
    /// <param name="limit">A further bound on slots in use.</param>
    public bool TryTakeSlot(int limit = int.MaxValue)
    {
        while (true)
        {
            var used = Volatile.Read(ref _slotsUsed);
            if (used >= Math.Min(Math.Min(Slots, Allowance), limit))
                return false;
            if (Interlocked.CompareExchange(ref _slotsUsed, used + 1, used) == used)
                return true;
        }
    }

    /// <summary>Gives one slot back.</summary>
    public void ReturnSlot()
    {
        var used = Interlocked.Decrement(ref _slotsUsed);
        // What room that makes there a peer says itself: its own requests were there first.
        if (IsPeer)
            while (Volatile.Read(ref _usedThere) is var there && there > used && Interlocked.CompareExchange(ref _usedThere, used, there) != there)
                continue;
    }

    /// <summary>Counts a failed request.</summary>
    /// <param name="model">Of which model; null for none.</param>
    /// <param name="most">The most that one model counts, where the instance has others.</param>
    /// <returns>How many have failed in a row, this one included.</returns>
    public int CountRequestFailure(ModelState? model = null, int most = int.MaxValue) =>
        _failures.Add(model, Placements.Length > 1 ? most : int.MaxValue);

    /// <summary>A request was answered: the row of failures ends.</summary>
    /// <returns>True where there was one.</returns>
    public bool ClearRequestFailures() => _failures.Clear();

    /// <summary>How many models are in its memory or on their way there.</summary>
    public int Residents => Volatile.Read(ref _residents);

    /// <summary>Whether its memory has room for another model, as far as is known.</summary>
    public bool HasRoom
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get
        {
            var residents = Residents;
            var configured = Volatile.Read(ref _maxLoadedModels);
            return residents == 0 || residents < (configured > 0 ? configured : Volatile.Read(ref _capacity));
        }
    }

    /// <summary>When a lease last began or ended here, in <see cref="TimeProvider.GetTimestamp"/>'s ticks; 0 for never.</summary>
    public long LastUsed => Volatile.Read(ref _lastUsed);

    /// <summary>A lease began or ended.</summary>
    public void NoteUse(long now) => Volatile.Write(ref _lastUsed, now);

    /// <summary>A model has come into its memory or left it.</summary>
    public void AddResident(int change) => Interlocked.Add(ref _residents, change);

    /// <summary>Whether a model that is in memory nowhere else is in its memory.</summary>
    public bool HoldsLastCopy()
    {
        foreach (var placement in Placements)
            if (placement.IsResident && placement.Model.Copies <= 1)
                return true;
        return false;
    }

    /// <summary>Writes down that a model is being loaded: where memory is known to be full, the least recently used one goes,
    /// an idle one before one that is in use, which goes when its requests have ended.</summary>
    public void AssumeLoading(PlacementState loading, long now)
    {
        loading.AssumeLoading(now);
        while (Residents > Capacity && NextToGo(loading) is { } next)
            next.AssumeEvicted(now);
    }

    private PlacementState? NextToGo(PlacementState loading)
    {
        PlacementState? next = null;
        foreach (var placement in Placements)
            if (placement != loading && placement.IsResident && (next is null || Precedes(placement, next)))
                next = placement;
        return next;

        static bool Precedes(PlacementState a, PlacementState b) =>
            (a.Active == 0) != (b.Active == 0) ? a.Active == 0 : a.LastUsed < b.LastUsed;
    }

    /// <summary>Takes over changed settings. Fewer slots than are in use: the surplus runs out, none is added.</summary>
    internal void Configure(InstanceDefinition definition)
    {
        Volatile.Write(ref _definition, definition);
        Volatile.Write(ref _slots, definition.Slots);
        Volatile.Write(ref _slotShare, 1f / definition.Slots);
        Volatile.Write(ref _maxLoadedModels, definition.MaxLoadedModels);
    }

    /// <summary>Sets the models on disk (the fleet's owner only).</summary>
    internal void SetPlacements(PlacementState[] placements) => Volatile.Write(ref _placements, placements);

    /// <summary>Notes how many models were seen in memory at once (the fleet's owner only).</summary>
    internal void ObserveLoadedCount(int count)
    {
        if (count > _capacity)
            Volatile.Write(ref _capacity, count);
    }
}

using System.IO.Hashing;
using System.Net.Http.Headers;
using System.Runtime.CompilerServices;
using System.Text;
using OllamaBridge.Gateway.Discovery;
using OllamaBridge.Gateway.Fleet.Breaker;
using OllamaBridge.Gateway.Fleet.Regions;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Fleet;

/// <summary>One server of the fleet and its counters. Lives as long as it is configured, or longer while a lease refers to it.</summary>
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

    public string Name { get; }

    public Uri Url { get; }

    public bool IsTls => Url.Scheme == Uri.UriSchemeHttps;

    /// <summary>The base address in the forwarder's form: without a trailing slash.</summary>
    public string Prefix { get; }

    /// <summary>A hash of the name for rendezvous hashing, the same in every process.</summary>
    public uint Seed { get; }

    public InstanceDefinition Definition => Volatile.Read(ref _definition);

    public InstanceKind Kind => Volatile.Read(ref _definition).Kind;

    public string? Incarnation => Volatile.Read(ref _definition).Incarnation;

    public bool IsDiscovered => Volatile.Read(ref _definition).IsDiscovered;

    public bool IsPeer { get; }

    public PeerBridge? Peer => Volatile.Read(ref _definition).Peer;

    public OpenAIService? OpenAI => Volatile.Read(ref _definition).OpenAI;

    public ApiRoutes Routes => OpenAI is { } service ? ApiRoutes.OpenAI | service.Routes : ApiRoutes.All;

    public InstanceKey? ApiKey => Volatile.Read(ref _definition).ApiKey;

    /// <summary>Adds the server's key and TLS settings, and for another region's bridge the passed regions. Required for every request.</summary>
    public void Authorize(HttpRequestMessage request)
    {
        if (ApiKey is { } key)
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", key.Value);
        if (Peer is { } peer)
            request.Headers.TryAddWithoutValidation(PeerBridge.Header, peer.Self);
        if (Definition.Tls is { } tls)
            request.Options.Set(InstanceTls.Option, tls);
    }

    public int Slots => Volatile.Read(ref _slots);

    public int SlotsUsed => Volatile.Read(ref _slotsUsed);

    /// <summary>How many of the slots this gateway may use; the others belong to other gateways. Unlimited if there is only one gateway.</summary>
    public int Allowance
    {
        get => Volatile.Read(ref _allowance);
        set => Volatile.Write(ref _allowance, value);
    }

    public int UsedElsewhere
    {
        get => Volatile.Read(ref _usedElsewhere);
        set => Volatile.Write(ref _usedElsewhere, value);
    }

    /// <summary>The share of free slots, from 0 to 1; 0 only if this gateway may take none.</summary>
    public float FreeShare
    {
        get
        {
            var (slots, used) = (Slots, SlotsUsed);
            return used >= Math.Min(slots, Allowance) ? 0 : Math.Max(1, slots - used - UsedElsewhere) * Volatile.Read(ref _slotShare);
        }
    }

    public int FreeSlots(string model) => Math.Min(Math.Min(Slots, Allowance), PeerLimit(model)) - SlotsUsed;

    /// <summary>How many of this gateway's requests for a model (canonical name) another region's bridge accepts; unlimited for a server of this region.</summary>
    public int PeerLimit(string model) => !IsPeer ? int.MaxValue
        : Volatile.Read(ref _load) is { } load ? Volatile.Read(ref _usedThere) + Math.Min(load.Room(model, Allowance, Slots), Slots)
        : 0;

    public bool PeerCanServe(string model) => Volatile.Read(ref _load)?.CanServe(model) == true;

    /// <summary>Fleet's owner only. <paramref name="report"/> is null if the bridge did not respond; <paramref name="used"/> is of the time of the request.</summary>
    internal void TakeLoad(RegionReport? report, int used)
    {
        // Requests sent just before the probe may not have arrived there: only those of the previous probe are certain to be in the report.
        Volatile.Write(ref _load, report is null ? null : new PeerLoad(report));
        Volatile.Write(ref _usedThere, Math.Min(Math.Min(used, _usedBefore), SlotsUsed));
        _usedBefore = report is null ? 0 : used;
    }

    public int Capacity => Volatile.Read(ref _maxLoadedModels) is > 0 and var configured ? configured : Math.Max(1, Volatile.Read(ref _capacity));

    public ReadOnlySpan<PlacementState> Placements => Volatile.Read(ref _placements);

    /// <summary>Takes one slot, unless this gateway's allowance or a further <paramref name="limit"/> on slots in use is reached.</summary>
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

    public void ReturnSlot()
    {
        var used = Interlocked.Decrement(ref _slotsUsed);
        // The peer itself reports the freed capacity: its own requests may have taken it.
        if (IsPeer)
            while (Volatile.Read(ref _usedThere) is var there && there > used && Interlocked.CompareExchange(ref _usedThere, used, there) != there)
                continue;
    }

    /// <summary><paramref name="most"/> is the highest count that one model contributes. Returns the number of consecutive failures.</summary>
    public int CountRequestFailure(ModelState? model = null, int most = int.MaxValue) =>
        _failures.Add(model, Placements.Length > 1 ? most : int.MaxValue);

    public bool ClearRequestFailures() => _failures.Clear();

    public int Residents => Volatile.Read(ref _residents);

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

    public void NoteUse(long now) => Volatile.Write(ref _lastUsed, now);

    public void AddResident(int change) => Interlocked.Add(ref _residents, change);

    /// <summary>Whether a model is in this instance's memory and in no other's.</summary>
    public bool HasOnlyCopy()
    {
        foreach (var placement in Placements)
            if (placement.IsResident && placement.Model.Copies <= 1)
                return true;
        return false;
    }

    /// <summary>If memory is full, assumes that the least recently used model is evicted, idle models first; one in use when its requests have ended.</summary>
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

    /// <summary>If the definition has fewer slots than are in use, running requests finish and none is added.</summary>
    internal void Configure(InstanceDefinition definition)
    {
        Volatile.Write(ref _definition, definition);
        Volatile.Write(ref _slots, definition.Slots);
        Volatile.Write(ref _slotShare, 1f / definition.Slots);
        Volatile.Write(ref _maxLoadedModels, definition.MaxLoadedModels);
    }

    internal void SetPlacements(PlacementState[] placements) => Volatile.Write(ref _placements, placements);

    /// <summary>Records the number of models seen in memory at once (fleet's owner only).</summary>
    internal void ObserveLoadedCount(int count)
    {
        if (count > _capacity)
            Volatile.Write(ref _capacity, count);
    }
}

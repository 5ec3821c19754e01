using OllamaBridge.Gateway.Common;
using OllamaBridge.Gateway.Discovery;
using OllamaBridge.Gateway.Fleet.Breaker;
using OllamaBridge.Gateway.Fleet.Parallelism;

namespace OllamaBridge.Gateway.Fleet;

/// <summary>The mutable state of one model on one instance, kept across snapshots. Written by the fleet's owner and by leases.</summary>
internal sealed class PlacementState(ModelState model, Instance? instance = null)
{
    // A recent sample weighs 0.2: about five samples move the mean, a single slow one does not dominate it.
    private const double RecentWeight = 0.2;
    private const double ShortestFirstToken = 1e-6;
    private const int Absent = 0;
    private const int Loading = 1;
    private const int Loaded = 2;
    private int _active;
    private int _memory;
    private int _retired;
    private long _assumedAt;
    private long _observedAt;
    private long _lastUsed;
    private long _lastAnswered;
    private double _firstToken = double.NaN;
    private float _firstTokenRate;
    private double _secondsPerByte = double.NaN;
    private int _isRestricted;
    private PlacementGuard? _guard;
    private PlacementState[] _twins = [];
    private OverlapHistory? _overlaps;

    public ModelState Model { get; } = model;

    /// <summary>Recent seconds from sending to the first byte with the model in memory; <see cref="double.NaN"/> if unknown.</summary>
    public double TimeToFirstToken => Volatile.Read(ref _firstToken);

    public int Active => Volatile.Read(ref _active);

    /// <summary>Whether the model is in memory or being loaded. False if it will be evicted after its running requests.</summary>
    public bool IsResident => Volatile.Read(ref _memory) != Absent;

    public bool IsLoaded => Volatile.Read(ref _memory) == Loaded;

    public bool IsLoading => Volatile.Read(ref _memory) == Loading;

    /// <summary>Other names on the same instance that share the model's weights: a server loads the weights once for all of them.</summary>
    public IReadOnlyList<PlacementState> Twins => Volatile.Read(ref _twins);

    /// <summary>Whether the weights are in memory or being loaded, under this name or a twin's.</summary>
    public bool IsWarm
    {
        get
        {
            if (IsResident)
                return true;
            foreach (var twin in Volatile.Read(ref _twins))
                if (twin.IsResident)
                    return true;
            return false;
        }
    }

    public bool HasLoadedWeights
    {
        get
        {
            if (IsLoaded)
                return true;
            foreach (var twin in Volatile.Read(ref _twins))
                if (twin.IsLoaded)
                    return true;
            return false;
        }
    }

    internal void SetTwins(PlacementState[] twins) => Volatile.Write(ref _twins, twins);

    /// <summary>When a lease last began or ended, in <see cref="TimeProvider.GetTimestamp"/>'s ticks; 0 for never.</summary>
    public long LastUsed => Volatile.Read(ref _lastUsed);

    /// <summary>When the instance last served a request for the model, in the same ticks; 0 for never.</summary>
    public long LastAnswered => Volatile.Read(ref _lastAnswered);

    public double SecondsPerByte => double.IsNaN(Volatile.Read(ref _secondsPerByte)) ? 0 : Volatile.Read(ref _secondsPerByte);

    public double LongestSecondsPerByte => Math.Max(SecondsPerByte, Model.Prefill.SecondsPerByte);

    /// <summary><paramref name="bytes"/> is the length of the request; 0 if unknown. A lost sample is harmless.</summary>
    public void AddTimeToFirstToken(double seconds, long bytes = 0)
    {
        if (bytes > 0)
            Volatile.Write(ref _secondsPerByte, Ewma.Next(Volatile.Read(ref _secondsPerByte), seconds / bytes, RecentWeight));
        var mean = Ewma.Next(Volatile.Read(ref _firstToken), seconds, RecentWeight);
        Volatile.Write(ref _firstToken, mean);
        Volatile.Write(ref _firstTokenRate, (float)(1 / Math.Max(mean, ShortestFirstToken)));
    }

    public float FirstTokenRate => Volatile.Read(ref _firstTokenRate);

    public PlacementGuard? Guard => Volatile.Read(ref _guard);

    public OverlapHistory Overlaps => Volatile.Read(ref _overlaps) ?? Interlocked.CompareExchange(ref _overlaps, new OverlapHistory(), null) ?? _overlaps!;

    public bool IsRestricted => Volatile.Read(ref _isRestricted) != 0;

    public bool IsOpenAt(long now) => IsRestricted && Guard?.ConditionAt(now) == PlacementCondition.Open;

    /// <summary>The context (<c>num_ctx</c>) of the last request served here; null if it had none, or there was no request.</summary>
    public long? LastContext { get; set; }

    public bool WasInVram { get; set; }

    /// <summary>Begins a lease, unless the guard rejects it. With <paramref name="slowly"/> slow start may limit a recovered placement.</summary>
    public bool TryEnter(long now, bool slowly, out GuardEntry entry)
    {
        entry = default;
        if (instance is not null)
        {
            var guard = MakeGuard()!;
            if (IsRestricted)
                return guard.TryEnter(instance, now, slowly, out entry);
            entry = guard.Entry;
        }

        Enter(now);
        return true;
    }

    /// <summary>The guard, created on first use; null if there is no instance.</summary>
    public PlacementGuard? MakeGuard()
    {
        if (Guard is { } guard || instance is null)
            return Guard;
        guard = new PlacementGuard(this);
        return Interlocked.CompareExchange(ref _guard, guard, null) ?? guard;
    }

    /// <summary>Sets <see cref="IsRestricted"/> (the guard only, under its lock).</summary>
    internal void SetRestricted(bool isRestricted)
    {
        if (isRestricted == IsRestricted)
            return;
        Volatile.Write(ref _isRestricted, isRestricted ? 1 : 0);
        Model.AddRestricted(isRestricted ? 1 : -1);
    }

    public void Enter(long now)
    {
        Interlocked.Increment(ref _active);
        Volatile.Write(ref _lastUsed, now);
        instance?.NoteUse(now);
    }

    /// <param name="answered">Whether the instance responded, so that the model is known to be in memory.</param>
    public void Leave(long now, bool answered)
    {
        // A model that was assumed evicted meanwhile is not in memory again because of this response.
        if (answered && IsLoading)
            Assume(Loaded, now);
        if (answered)
            Volatile.Write(ref _lastAnswered, now);
        Volatile.Write(ref _lastUsed, now);
        instance?.NoteUse(now);
        Interlocked.Decrement(ref _active);
    }

    public void AssumeLoading(long now) => Assume(Loading, now);

    public void AssumeEvicted(long now) => Assume(Absent, now);

    /// <summary>Applies the instance's own list; a list that was requested before the last known change is ignored.</summary>
    public void Observe(bool loaded, long askedAt)
    {
        var assumedAt = Volatile.Read(ref _assumedAt);
        if ((askedAt <= assumedAt && assumedAt != 0) || askedAt < Volatile.Read(ref _observedAt))
            return;
        Volatile.Write(ref _observedAt, askedAt);
        SetMemory(loaded ? Loaded : Absent);
    }

    /// <summary>Detaches the state after the model or the instance was removed: leases may still end, but counts no longer change.</summary>
    public void Retire()
    {
        Volatile.Write(ref _retired, 1);
        SetMemory(Absent);
        Guard?.Retire();
    }

    private void Assume(int memory, long now)
    {
        Volatile.Write(ref _assumedAt, now);
        SetMemory(memory);
    }

    private void SetMemory(int memory)
    {
        var before = Interlocked.Exchange(ref _memory, memory);
        var change = (memory != Absent ? 1 : 0) - (before != Absent ? 1 : 0);
        if (change != 0)
        {
            // A copy on another region's bridge or an OpenAI server does not replace one that Ollama requests can use.
            if (instance is not { Kind: not InstanceKind.Ollama })
                Model.AddCopies(change);
            instance?.AddResident(change);
        }

        if (memory != Absent && Volatile.Read(ref _retired) != 0)
            SetMemory(Absent);
    }
}

/// <summary>The mutable state of one model over the whole fleet.</summary>
internal sealed class ModelState(string key)
{
    private int _waiting;
    private int _copies;
    private int _restricted;

    public string Key { get; } = key;

    public PrefillSpeed Prefill { get; } = new();

    /// <summary>Whether a liveness check by generation waited although the instance served the request: an unanswered check is no evidence of failure.</summary>
    public bool HasWaitingChecks { get; set; }

    public int Waiting => Volatile.Read(ref _waiting);

    public int Copies => Volatile.Read(ref _copies);

    public int Restricted => Volatile.Read(ref _restricted);

    public void AddRestricted(int change) => Interlocked.Add(ref _restricted, change);

    public void AddCopies(int change) => Interlocked.Add(ref _copies, change);

    public void AddWaiting(int change) => Interlocked.Add(ref _waiting, change);
}

using OllamaBridge.Gateway.Fleet.Breaker;
using OllamaBridge.Gateway.Fleet.Parallelism;

namespace OllamaBridge.Gateway.Fleet;

/// <summary>What changes about one model on one instance: whether it is in memory, who uses it, how fast it answers.</summary>
/// <remarks>Lives as long as the instance knows the model, over all snapshots. Written by the fleet's owner and by leases.</remarks>
internal sealed class PlacementState(ModelState model, Instance? instance = null)
{
    // A recent sample weighs a fifth: a handful of answers moves the mean, a single slow one does not rule.
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

    /// <summary>The model, over the whole fleet.</summary>
    public ModelState Model { get; } = model;

    /// <summary>Seconds from sending to the first byte, lately, with the model in memory; <see cref="double.NaN"/> where unknown.</summary>
    public double TimeToFirstToken => Volatile.Read(ref _firstToken);

    /// <summary>Requests that hold a lease on this instance for this model.</summary>
    public int Active => Volatile.Read(ref _active);

    /// <summary>Whether the model is in memory or on its way there.</summary>
    /// <remarks>Not so for one that has requests running but must go for another: who comes now would find it gone.</remarks>
    public bool IsResident => Volatile.Read(ref _memory) != Absent;

    /// <summary>Whether the model was seen in memory (<c>/api/ps</c>, or it answered), rather than merely asked for.</summary>
    public bool IsLoaded => Volatile.Read(ref _memory) == Loaded;

    /// <summary>Whether the model was asked for and has not been seen in memory since.</summary>
    public bool IsLoading => Volatile.Read(ref _memory) == Loading;

    /// <summary>Names on the same instance that share the model's weights: a server loads those once for all of them.</summary>
    public IReadOnlyList<PlacementState> Twins => Volatile.Read(ref _twins);

    /// <summary>Whether a request would find the weights in memory or on their way there, under this name or another.</summary>
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

    /// <summary>Whether the weights were seen in memory, under this name or another.</summary>
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

    /// <summary>Sets the names that share the weights (the fleet's owner only).</summary>
    internal void SetTwins(PlacementState[] twins) => Volatile.Write(ref _twins, twins);

    /// <summary>When a lease last began or ended, in <see cref="TimeProvider.GetTimestamp"/>'s ticks; 0 for never.</summary>
    public long LastUsed => Volatile.Read(ref _lastUsed);

    /// <summary>When the instance last answered a request for the model, in the same ticks; 0 for never.</summary>
    public long LastAnswered => Volatile.Read(ref _lastAnswered);

    /// <summary>Seconds to the first byte over the bytes of the request, lately: what a long prompt may take; 0 where unknown.</summary>
    public double SecondsPerByte => double.IsNaN(Volatile.Read(ref _secondsPerByte)) ? 0 : Volatile.Read(ref _secondsPerByte);

    /// <summary>
    /// The longer of two times that a byte of a request adds to the first token: as seen here, and as learned for the model; 0 if neither is known.
    /// </summary>
    public double LongestSecondsPerByte => Math.Max(SecondsPerByte, Model.Prefill.SecondsPerByte);

    /// <summary>Takes in how long a first byte took; a lost sample is harmless.</summary>
    /// <param name="seconds">In seconds.</param>
    /// <param name="bytes">The request's length; 0 where unknown.</param>
    public void AddTimeToFirstToken(double seconds, long bytes = 0)
    {
        if (bytes > 0)
            Volatile.Write(ref _secondsPerByte, Ewma.Next(Volatile.Read(ref _secondsPerByte), seconds / bytes, RecentWeight));
        var mean = Ewma.Next(Volatile.Read(ref _firstToken), seconds, RecentWeight);
        Volatile.Write(ref _firstToken, mean);
        Volatile.Write(ref _firstTokenRate, (float)(1 / Math.Max(mean, ShortestFirstToken)));
    }

    /// <summary>First tokens a second: 1 over <see cref="TimeToFirstToken"/>, kept because every decision asks for it; 0 where unknown.</summary>
    public float FirstTokenRate => Volatile.Read(ref _firstTokenRate);

    /// <summary>What keeps requests away from it; null while it was never used, and for what is no model on an instance.</summary>
    public PlacementGuard? Guard => Volatile.Read(ref _guard);

    /// <summary>How its requests overlapped lately. Made when first asked for.</summary>
    public OverlapHistory Overlaps => Volatile.Read(ref _overlaps) ?? Interlocked.CompareExchange(ref _overlaps, new OverlapHistory(), null) ?? _overlaps!;

    /// <summary>Whether <see cref="Guard"/> has anything to say before a request may go there.</summary>
    public bool IsRestricted => Volatile.Read(ref _isRestricted) != 0;

    /// <summary>Whether requests failed here so lately that none is sent.</summary>
    public bool IsOpenAt(long now) => IsRestricted && Guard?.ConditionAt(now) == PlacementCondition.Open;

    /// <summary>The context (<c>num_ctx</c>) of the last request that was answered here; null if it named none, or there was no request.</summary>
    public long? LastContext { get; set; }

    /// <summary>Whether the model was seen here wholly in the memory of a GPU.</summary>
    public bool WasInVram { get; set; }

    /// <summary>A lease begins, unless the guard is against it.</summary>
    /// <param name="now">The time.</param>
    /// <param name="slowly">Whether one that has come back need not take all there is.</param>
    /// <param name="entry">What the lease keeps of the guard.</param>
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

    /// <summary>The guard, made if need be; null for what is no model on an instance.</summary>
    public PlacementGuard? MakeGuard()
    {
        if (Guard is { } guard || instance is null)
            return Guard;
        guard = new PlacementGuard(this);
        return Interlocked.CompareExchange(ref _guard, guard, null) ?? guard;
    }

    /// <summary>The guard's word (the guard only, under its lock).</summary>
    internal void SetRestricted(bool isRestricted)
    {
        if (isRestricted == IsRestricted)
            return;
        Volatile.Write(ref _isRestricted, isRestricted ? 1 : 0);
        Model.AddRestricted(isRestricted ? 1 : -1);
    }

    /// <summary>A lease begins.</summary>
    public void Enter(long now)
    {
        Interlocked.Increment(ref _active);
        Volatile.Write(ref _lastUsed, now);
        instance?.NoteUse(now);
    }

    /// <summary>A lease ends.</summary>
    /// <param name="now">The time.</param>
    /// <param name="answered">Whether the instance answered, so that the model is known to be in memory.</param>
    public void Leave(long now, bool answered)
    {
        // One that was told to make room meanwhile is not there again for having answered.
        if (answered && IsLoading)
            Assume(Loaded, now);
        if (answered)
            Volatile.Write(ref _lastAnswered, now);
        Volatile.Write(ref _lastUsed, now);
        instance?.NoteUse(now);
        Interlocked.Decrement(ref _active);
    }

    /// <summary>The bridge has sent a request that makes the instance load the model.</summary>
    public void AssumeLoading(long now) => Assume(Loading, now);

    /// <summary>The bridge has sent a request for another model, for which this one must make room.</summary>
    public void AssumeEvicted(long now) => Assume(Absent, now);

    /// <summary>Takes in what the instance said; an answer older than what is known already is ignored.</summary>
    public void Observe(bool loaded, long askedAt)
    {
        var assumedAt = Volatile.Read(ref _assumedAt);
        if ((askedAt <= assumedAt && assumedAt != 0) || askedAt < Volatile.Read(ref _observedAt))
            return;
        Volatile.Write(ref _observedAt, askedAt);
        SetMemory(loaded ? Loaded : Absent);
    }

    /// <summary>The model has left the instance's disk, or the instance the fleet: leases may still end, but nothing counts any more.</summary>
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
            // A copy where Ollama's requests cannot go, or which is another region's, replaces none where they can.
            if (instance is not { Kind: not InstanceKind.Ollama })
                Model.AddCopies(change);
            instance?.AddResident(change);
        }

        if (memory != Absent && Volatile.Read(ref _retired) != 0)
            SetMemory(Absent);
    }
}

/// <summary>What changes about one model over the whole fleet.</summary>
internal sealed class ModelState(string key)
{
    private int _waiting;
    private int _copies;
    private int _restricted;

    /// <summary>The canonical name.</summary>
    public string Key { get; } = key;

    /// <summary>How fast it evaluates prompts.</summary>
    public PrefillSpeed Prefill { get; } = new();

    /// <summary>
    /// Whether a liveness check by a generation was seen to wait although the instance answered the request: its servers run one request at a
    /// time, and an unanswered check proves nothing.
    /// </summary>
    public bool HasWaitingChecks { get; set; }

    /// <summary>Requests for it that wait in the bridge's queue.</summary>
    public int Waiting => Volatile.Read(ref _waiting);

    /// <summary>Ollama servers that have it in memory.</summary>
    public int Copies => Volatile.Read(ref _copies);

    /// <summary>On how many instances a guard has something to say before a request may go there.</summary>
    public int Restricted => Volatile.Read(ref _restricted);

    /// <summary>A guard has something to say, or nothing any more.</summary>
    public void AddRestricted(int change) => Interlocked.Add(ref _restricted, change);

    /// <summary>One instance more or less has it in memory.</summary>
    public void AddCopies(int change) => Interlocked.Add(ref _copies, change);

    /// <summary>A request starts or stops to wait.</summary>
    public void AddWaiting(int change) => Interlocked.Add(ref _waiting, change);
}

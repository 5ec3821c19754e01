namespace OllamaBridge.Simulator;

/// <summary>What a server has seen and done since it was made. Thread-safe.</summary>
public sealed class SimulatorStatistics
{
    private readonly Lock _gate = new();
    private readonly Queue<SeenRequest> _seen = new();
    private readonly int _capacity;
    private long _requests, _loads, _evictions, _cancelled, _tokens;
    private int _active, _maxActive, _concurrent, _maxConcurrent;

    private readonly SharedConcurrency? _together;

    internal SimulatorStatistics(int capacity, SharedConcurrency? together)
    {
        _capacity = capacity;
        _together = together;
    }

    /// <summary>Inference requests that arrived.</summary>
    public long Requests => Interlocked.Read(ref _requests);

    /// <summary>Models brought into memory, reloads included.</summary>
    public long Loads => Interlocked.Read(ref _loads);

    /// <summary>Models put out of memory to make room or because of other options.</summary>
    public long Evictions => Interlocked.Read(ref _evictions);

    /// <summary>Inference requests whose client hung up before the end.</summary>
    public long Cancelled => Interlocked.Read(ref _cancelled);

    /// <summary>Tokens generated.</summary>
    public long Tokens => Interlocked.Read(ref _tokens);

    /// <summary>Generations that hold a slot now.</summary>
    public int ActiveGenerations => Volatile.Read(ref _active);

    /// <summary>The most generations that ever held slots at once.</summary>
    public int MaxActiveGenerations => Volatile.Read(ref _maxActive);

    /// <summary>Inference requests inside the server now, waiting ones included. Whose last token is made is not: its client may be
    /// sending the next before this one has noticed the end.</summary>
    public int ConcurrentRequests => Volatile.Read(ref _concurrent);

    /// <summary>The most inference requests that were ever inside the server at once.</summary>
    public int MaxConcurrentRequests => Volatile.Read(ref _maxConcurrent);

    /// <summary>The latest requests of every route, oldest first.</summary>
    public IReadOnlyList<SeenRequest> Seen
    {
        get
        {
            lock (_gate)
                return [.. _seen];
        }
    }

    internal bool Remembers => _capacity > 0;

    internal void Remember(SeenRequest request)
    {
        lock (_gate)
        {
            if (_seen.Count == _capacity)
                _seen.Dequeue();
            _seen.Enqueue(request);
        }
    }

    internal void RequestStarted()
    {
        Interlocked.Increment(ref _requests);
        Raise(ref _maxConcurrent, Interlocked.Increment(ref _concurrent));
        _together?.Enter();
    }

    internal void RequestEnded()
    {
        Interlocked.Decrement(ref _concurrent);
        _together?.Leave();
    }

    internal void GenerationStarted() => Raise(ref _maxActive, Interlocked.Increment(ref _active));

    internal void GenerationEnded() => Interlocked.Decrement(ref _active);

    internal void Loaded() => Interlocked.Increment(ref _loads);

    internal void Evicted() => Interlocked.Increment(ref _evictions);

    internal void RequestCancelled() => Interlocked.Increment(ref _cancelled);

    internal void TokensGenerated(int count) => Interlocked.Add(ref _tokens, count);

    internal static void Raise(ref int maximum, int value)
    {
        var seen = Volatile.Read(ref maximum);
        while (value > seen)
        {
            var before = Interlocked.CompareExchange(ref maximum, value, seen);
            if (before == seen)
                return;
            seen = before;
        }
    }
}

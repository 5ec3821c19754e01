namespace OllamaBridge.Simulator;

/// <summary>The counts of a server since its creation. Thread-safe.</summary>
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

    /// <summary>Loads of models, reloads included.</summary>
    public long Loads => Interlocked.Read(ref _loads);

    /// <summary>Models evicted for another model or because of other options.</summary>
    public long Evictions => Interlocked.Read(ref _evictions);

    /// <summary>Inference requests whose client disconnected before the end.</summary>
    public long Cancelled => Interlocked.Read(ref _cancelled);

    /// <summary>Tokens generated.</summary>
    public long Tokens => Interlocked.Read(ref _tokens);

    /// <summary>Generations that currently use a slot.</summary>
    public int ActiveGenerations => Volatile.Read(ref _active);

    /// <summary>The highest number of generations that used slots at once.</summary>
    public int MaxActiveGenerations => Volatile.Read(ref _maxActive);

    /// <summary>
    /// Inference requests in the server now, waiting ones included. A request is no longer counted after its last token: its client may
    /// send the next one before the server has noticed the end.
    /// </summary>
    public int ConcurrentRequests => Volatile.Read(ref _concurrent);

    /// <summary>The highest number of inference requests in the server at once.</summary>
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

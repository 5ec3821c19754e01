namespace OllamaBridge.Gateway.Fleet.Breaker;

/// <summary>The latest outcomes, each with its time: what share of those after a moment failed is exact, not by buckets.</summary>
internal sealed class FailureWindow
{
    /// <summary>How many outcomes are remembered; one bit each tells of failure.</summary>
    public const int Capacity = 64;

    private readonly long[] _times = new long[Capacity];
    private ulong _failed;
    private int _next;
    private int _count;

    /// <summary>Takes one outcome in; the oldest goes where there is no room.</summary>
    public void Add(long now, bool failed)
    {
        _times[_next] = now;
        var bit = 1UL << _next;
        _failed = failed ? _failed | bit : _failed & ~bit;
        _next = (_next + 1) % Capacity;
        _count = Math.Min(_count + 1, Capacity);
    }

    /// <summary>Counts the outcomes after a moment.</summary>
    /// <remarks>All are looked at: threads that end together may come in another order than their times.</remarks>
    public (int Total, int Failed) CountAfter(long since)
    {
        var (total, failed) = (0, 0);
        for (var i = 0; i < _count; i++)
        {
            if (_times[i] <= since)
                continue;
            total++;
            failed += (int)(_failed >> i) & 1;
        }

        return (total, failed);
    }

    /// <summary>Forgets all.</summary>
    public void Clear() => _next = _count = 0;
}

namespace OllamaBridge.Gateway.Fleet.Breaker;

/// <summary>The latest results with their times. The share of failures since a time is exact, not approximated with buckets.</summary>
internal sealed class FailureWindow
{
    /// <summary>Results that are kept; each is one bit of a 64-bit word.</summary>
    public const int Capacity = 64;

    private readonly long[] _times = new long[Capacity];
    private ulong _failed;
    private int _next;
    private int _count;

    /// <summary>Adds a result; if the window is full, the oldest one is dropped.</summary>
    public void Add(long now, bool failed)
    {
        _times[_next] = now;
        var bit = 1UL << _next;
        _failed = failed ? _failed | bit : _failed & ~bit;
        _next = (_next + 1) % Capacity;
        _count = Math.Min(_count + 1, Capacity);
    }

    /// <summary>Counts the results after a time.</summary>
    /// <remarks>Reads all of them: results of parallel requests may be added out of order.</remarks>
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

    public void Clear() => _next = _count = 0;
}

namespace OllamaBridge.Gateway.Fleet.Breaker;

/// <summary>The latest results with their times. The share of failures since a time is exact, not approximated with buckets.</summary>
internal sealed class FailureWindow
{
    public const int Capacity = 64;

    private readonly long[] _times = new long[Capacity];
    private ulong _failed;
    private int _next;
    private int _count;

    public void Add(long now, bool failed)
    {
        _times[_next] = now;
        var bit = 1UL << _next;
        _failed = failed ? _failed | bit : _failed & ~bit;
        _next = (_next + 1) % Capacity;
        _count = Math.Min(_count + 1, Capacity);
    }

    /// <summary>Reads all results: those of parallel requests may be added out of order.</summary>
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

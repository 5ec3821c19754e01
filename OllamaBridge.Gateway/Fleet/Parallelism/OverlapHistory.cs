namespace OllamaBridge.Gateway.Fleet.Parallelism;

/// <summary>Learns from observed overlap how many requests an instance really runs at once for one model. Thread-safe.</summary>
/// <remarks>
/// An instance that holds more requests than it runs starts one when another ends. If that happens again and again and no more
/// than n requests ever overlap, then it runs n at once. A request that starts later than sent for any other reason proves nothing.
/// </remarks>
internal sealed class OverlapHistory
{
    /// <summary>How many of the recent requests are looked at.</summary>
    public const int Window = 8;

    /// <summary>How many of them must have waited for another's end.</summary>
    public const int Proofs = 4;

    // Its share of a wait that may lie between another's end and the start.
    private const double Promptness = 0.25;
    // Bytes of two streams are read by different threads: so much of a generation may seem to overlap that does not.
    private const double Blur = 0.1;
    private readonly Lock _lock = new();
    private readonly OverlapSample[] _samples = new OverlapSample[Window];
    private readonly int[] _overlaps = new int[Window];
    private readonly bool[] _waited = new bool[Window];
    private long _count;

    /// <summary>Takes in a request that has ended.</summary>
    /// <returns>How many requests the instance runs at once; null while that is not known.</returns>
    public int? Add(in OverlapSample sample)
    {
        if (sample.StartedAt < sample.SentAt || sample.EndedAt <= sample.StartedAt)
            return null;
        lock (_lock)
        {
            var known = (int)Math.Min(_count, Window);
            var overlap = 1;
            var waited = false;
            for (var i = 0; i < known; i++)
            {
                var other = _samples[i];
                if (Overlaps(sample, other))
                {
                    overlap++;
                    // The other ended first and could not count this one.
                    _overlaps[i] = Math.Max(_overlaps[i], 2);
                }

                var wait = sample.StartedAt - sample.SentAt;
                waited |= other.EndedAt > sample.SentAt && Math.Abs(sample.StartedAt - other.EndedAt) <= wait * Promptness;
            }

            var at = (int)(_count++ % Window);
            (_samples[at], _overlaps[at], _waited[at]) = (sample, overlap, waited);
            return _count >= Window ? Conclude() : null;
        }
    }

    /// <summary>Forgets everything: the model was loaded again, maybe with other settings.</summary>
    public void Clear()
    {
        lock (_lock)
            _count = 0;
    }

    private static bool Overlaps(in OverlapSample a, in OverlapSample b)
    {
        var shared = Math.Min(a.EndedAt, b.EndedAt) - Math.Max(a.StartedAt, b.StartedAt);
        return shared > Math.Min(a.EndedAt - a.StartedAt, b.EndedAt - b.StartedAt) * Blur;
    }

    private int? Conclude()
    {
        var most = _overlaps.Max();
        var proofs = 0;
        for (var i = 0; i < Window; i++)
            if (_waited[i] && _samples[i].InFlight > most)
                proofs++;
        return proofs >= Proofs ? most : null;
    }
}

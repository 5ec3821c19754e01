namespace OllamaBridge.Gateway.Fleet.Parallelism;

/// <summary>Estimates from observed overlap how many requests of one model an instance runs in parallel. Thread-safe.</summary>
/// <remarks>If requests repeatedly start when another ends, and no more than n overlap, n run in parallel. Other late starts are no evidence.</remarks>
internal sealed class OverlapHistory
{
    /// <summary>The number of recent requests in the estimate.</summary>
    public const int Window = 8;

    /// <summary>How many of them must have started after another's end.</summary>
    public const int Proofs = 4;

    // The fraction of a wait that may lie between another request's end and the start.
    private const double Promptness = 0.25;
    // Different threads read the two streams, so this fraction of a generation may seem to overlap without doing so.
    private const double Blur = 0.1;
    private readonly Lock _lock = new();
    private readonly OverlapSample[] _samples = new OverlapSample[Window];
    private readonly bool[] _waited = new bool[Window];
    private long _count;

    /// <summary>Null while unknown. Waits shorter than <paramref name="shortestWait"/> are no evidence, because they may be chance.</summary>
    public int? Add(in OverlapSample sample, long shortestWait = 0)
    {
        if (sample.StartedAt < sample.SentAt || sample.EndedAt <= sample.StartedAt)
            return null;
        lock (_lock)
        {
            var known = (int)Math.Min(_count, Window);
            var waited = false;
            var wait = sample.StartedAt - sample.SentAt;
            for (var i = 0; i < known && wait >= shortestWait; i++)
                waited |= _samples[i].EndedAt > sample.SentAt && Math.Abs(sample.StartedAt - _samples[i].EndedAt) <= wait * Promptness;
            var at = (int)(_count++ % Window);
            (_samples[at], _waited[at]) = (sample, waited);
            return _count >= Window ? Conclude() : null;
        }
    }

    public void Clear()
    {
        lock (_lock)
            _count = 0;
    }

    private int Depth()
    {
        var most = 1;
        foreach (var sample in _samples)
        {
            // The depth rises only at a request's start.
            var at = sample.StartedAt + ((sample.EndedAt - sample.StartedAt) * Blur);
            var running = 0;
            foreach (var other in _samples)
            {
                var blur = (other.EndedAt - other.StartedAt) * Blur;
                running += other.StartedAt + blur <= at && at < other.EndedAt - blur ? 1 : 0;
            }

            most = Math.Max(most, running);
        }

        return most;
    }

    private int? Conclude()
    {
        var most = Depth();
        var proofs = 0;
        for (var i = 0; i < Window; i++)
            if (_waited[i] && _samples[i].InFlight > most)
                proofs++;
        return proofs >= Proofs ? most : null;
    }
}

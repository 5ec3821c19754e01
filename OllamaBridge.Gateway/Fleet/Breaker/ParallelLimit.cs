namespace OllamaBridge.Gateway.Fleet.Breaker;

/// <summary>A measured limit on a model's parallel requests on an instance, with times in ticks. Changed under the guard's lock, read without it.</summary>
internal sealed class ParallelLimit
{
    private long _until;
    private volatile int _limit;

    public long Until => Volatile.Read(ref _until);

    public int At(long now) => now < Until ? _limit : 0;

    /// <returns>Whether the limit is new.</returns>
    public bool Set(int limit, long until, long now)
    {
        if (At(now) == limit)
            return false;
        _limit = limit;
        Volatile.Write(ref _until, until);
        return true;
    }

    public void Clear() => Volatile.Write(ref _until, 0);
}

namespace OllamaBridge.Gateway.Fleet.Breaker;

/// <summary>The time for which an instance is avoided after busy responses, in ticks. Changed under the guard's lock, read without it.</summary>
internal sealed class BusyPeriod
{
    private long _until;
    private int _row;

    public long Until => Volatile.Read(ref _until);

    public void Extend(long retryAfter, long now, BreakerRules rules, double chance)
    {
        // Requests that ran in parallel report the same busy period once.
        var row = now >= _until ? _row++ : Math.Max(0, _row - 1);
        Volatile.Write(ref _until, Math.Max(_until, now + JitteredBackoff.Busy(retryAfter, row, rules, chance)));
    }

    public void ResetBackoff() => _row = 0;
}

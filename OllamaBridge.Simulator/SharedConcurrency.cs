namespace OllamaBridge.Simulator;

/// <summary>How many inference requests several servers have at once, together. Thread-safe.</summary>
public sealed class SharedConcurrency
{
    private int _now, _peak;

    /// <summary>Inside the servers now.</summary>
    public int Now => Volatile.Read(ref _now);

    /// <summary>The most that were ever inside at once since the start, or since it was last taken.</summary>
    public int Peak => Volatile.Read(ref _peak);

    /// <summary>Reads the peak and begins anew with what is inside now.</summary>
    public int TakePeak() => Interlocked.Exchange(ref _peak, Now);

    internal void Enter() => SimulatorStatistics.Raise(ref _peak, Interlocked.Increment(ref _now));

    internal void Leave() => Interlocked.Decrement(ref _now);
}

namespace OllamaBridge.Simulator;

/// <summary>Counts the concurrent inference requests of several servers together. Thread-safe.</summary>
public sealed class SharedConcurrency
{
    private int _now, _peak;

    /// <summary>The current number of requests.</summary>
    public int Now => Volatile.Read(ref _now);

    /// <summary>The highest number of requests since the start or the last <see cref="TakePeak"/>.</summary>
    public int Peak => Volatile.Read(ref _peak);

    /// <summary>Returns the peak and resets it to the current number.</summary>
    public int TakePeak() => Interlocked.Exchange(ref _peak, Now);

    internal void Enter() => SimulatorStatistics.Raise(ref _peak, Interlocked.Increment(ref _now));

    internal void Leave() => Interlocked.Decrement(ref _now);
}

namespace OllamaBridge.Gateway.Fleet.Breaker;

/// <summary>The options with all times in <see cref="TimeProvider.GetTimestamp"/>'s ticks, as every decision needs them.</summary>
/// <param name="Options">The options.</param>
/// <param name="Window">How far back the share of failures looks.</param>
/// <param name="OpenTime">How long a breaker stays open, at least.</param>
/// <param name="MaxOpenTime">And at most.</param>
/// <param name="BusyTime">How long a busy one is left alone, at least.</param>
/// <param name="MaxBusyTime">And at most.</param>
/// <param name="SlowProbeInterval">Time between two probes of a slow one.</param>
/// <param name="SlowStart">How long one that comes back is given work only slowly; 0 for not at all.</param>
/// <param name="MemoryTime">How long a model that didn't fit into memory is avoided.</param>
internal sealed record BreakerRules(
    BreakerOptions Options,
    long Window,
    long OpenTime,
    long MaxOpenTime,
    long BusyTime,
    long MaxBusyTime,
    long SlowProbeInterval,
    long SlowStart,
    long MemoryTime = 0)
{
    /// <summary>Converts the options.</summary>
    /// <param name="options">The options.</param>
    /// <param name="slowStart">How long one that comes back is given work only slowly.</param>
    /// <param name="time">Whose ticks.</param>
    public static BreakerRules From(BreakerOptions options, TimeSpan slowStart, TimeProvider time) => new(
        options,
        Ticks(options.Window, time),
        Ticks(options.OpenTime, time),
        Ticks(options.MaxOpenTime, time),
        Ticks(options.BusyTime, time),
        Ticks(options.MaxBusyTime, time),
        Ticks(options.SlowProbeInterval, time),
        Ticks(slowStart, time),
        Ticks(options.MemoryTime, time));

    /// <summary>A span in a clock's ticks.</summary>
    public static long Ticks(TimeSpan span, TimeProvider time) => (long)(span.TotalSeconds * time.TimestampFrequency);
}

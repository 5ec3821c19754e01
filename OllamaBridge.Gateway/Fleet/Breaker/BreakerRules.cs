namespace OllamaBridge.Gateway.Fleet.Breaker;

/// <summary><see cref="BreakerOptions"/> with all times in ticks of <see cref="TimeProvider.GetTimestamp"/>, as the decisions need them.</summary>
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

    public static long Ticks(TimeSpan span, TimeProvider time) => (long)(span.TotalSeconds * time.TimestampFrequency);
}

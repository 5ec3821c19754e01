using OllamaBridge.Gateway.Common;

namespace OllamaBridge.Gateway.Fleet.Breaker;

/// <summary>Computes back-off times: exponential, bounded, with jitter. Pure. All times are in ticks of the clock.</summary>
/// <remarks>Jitter only lengthens a time, so no gateway returns before the requested time, and the gateways don't all return at once.</remarks>
internal static class JitteredBackoff
{
    /// <summary>The largest share of a time that jitter adds.</summary>
    public const double Jitter = 0.1;

    /// <summary>
    /// Doubles <paramref name="shortest"/> for each of the <paramref name="times"/> earlier times in a row, up to <paramref name="longest"/>, and adds
    /// jitter. <paramref name="chance"/> is a random number from 0 to 1.
    /// </summary>
    public static long Next(long shortest, long longest, int times, double chance) =>
        WithJitter(Backoff.Next(shortest, longest, times), chance);

    /// <summary>
    /// The back-off after a busy response: <paramref name="asked"/> (the instance's <c>Retry-After</c>), up to the configured maximum. If the instance
    /// sent none (0 or less), the configured time, doubled for each of the <paramref name="times"/> earlier busy responses in a row.
    /// </summary>
    public static long Busy(long asked, int times, BreakerRules rules, double chance) =>
        asked > 0 ? WithJitter(Math.Min(asked, rules.MaxBusyTime), chance) : Next(rules.BusyTime, rules.MaxBusyTime, times, chance);

    private static long WithJitter(long time, double chance) => time + (long)(time * Jitter * chance);
}

using OllamaBridge.Gateway.Common;

namespace OllamaBridge.Gateway.Fleet.Breaker;

/// <summary>Computes back-off times in ticks: exponential, bounded, with jitter that only lengthens, so that no gateway returns too early. Pure.</summary>
internal static class JitteredBackoff
{
    public const double Jitter = 0.1;

    /// <summary>Doubles <paramref name="shortest"/> for each of <paramref name="times"/> earlier times in a row. <paramref name="chance"/> is from 0 to 1.</summary>
    public static long Next(long shortest, long longest, int times, double chance) =>
        WithJitter(Backoff.Next(shortest, longest, times), chance);

    /// <summary><paramref name="asked"/> is the instance's <c>Retry-After</c>, which is limited to the configured maximum; 0 or less if it sent none.</summary>
    public static long Busy(long asked, int times, BreakerRules rules, double chance) =>
        asked > 0 ? WithJitter(Math.Min(asked, rules.MaxBusyTime), chance) : Next(rules.BusyTime, rules.MaxBusyTime, times, chance);

    private static long WithJitter(long time, double chance) => time + (long)(time * Jitter * chance);
}

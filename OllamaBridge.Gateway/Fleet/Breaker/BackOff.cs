namespace OllamaBridge.Gateway.Fleet.Breaker;

/// <summary>How long to stay away: doubled for each time in a row, bounded, and a little more by chance. Pure.</summary>
/// <remarks>The chance only adds: nobody comes before the time that was asked for, and not all gateways at once after it.</remarks>
internal static class BackOff
{
    /// <summary>The most that chance adds, as a share.</summary>
    public const double Jitter = 0.1;

    private const int MaxDoublings = 16;

    /// <summary>A time that doubles.</summary>
    /// <param name="shortest">The first time.</param>
    /// <param name="longest">The most, before chance adds to it.</param>
    /// <param name="times">How often in a row it has been so before.</param>
    /// <param name="chance">From 0 to 1.</param>
    public static long Next(long shortest, long longest, int times, double chance) =>
        WithJitter((long)Math.Min(shortest * Math.Pow(2, Math.Min(times, MaxDoublings)), longest), chance);

    /// <summary>How long to leave one alone that says it is busy.</summary>
    /// <param name="asked">For how long it asks to be left alone; 0 or less where it does not say.</param>
    /// <param name="times">How often in a row it has said so before.</param>
    /// <param name="rules">The bounds.</param>
    /// <param name="chance">From 0 to 1.</param>
    public static long Busy(long asked, int times, BreakerRules rules, double chance) =>
        asked > 0 ? WithJitter(Math.Min(asked, rules.MaxBusyTime), chance) : Next(rules.BusyTime, rules.MaxBusyTime, times, chance);

    private static long WithJitter(long time, double chance) => time + (long)(time * Jitter * chance);
}

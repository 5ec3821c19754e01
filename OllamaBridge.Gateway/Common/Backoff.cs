namespace OllamaBridge.Gateway.Common;

/// <summary>Exponential backoff: a time doubles for each earlier failure in a row, up to a maximum.</summary>
internal static class Backoff
{
    private const int MaxDoublings = 16;

    /// <summary>2 to the power of <paramref name="earlier"/>, at most 65,536.</summary>
    public static double Factor(int earlier) => 1 << Math.Clamp(earlier, 0, MaxDoublings);

    public static TimeSpan Next(TimeSpan first, TimeSpan longest, int earlier) => TimeSpan.FromTicks(Next(first.Ticks, longest.Ticks, earlier));

    public static long Next(long first, long longest, int earlier) => (long)Math.Min(first * Factor(earlier), longest);
}

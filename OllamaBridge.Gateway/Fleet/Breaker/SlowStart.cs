namespace OllamaBridge.Gateway.Fleet.Breaker;

/// <summary>How much of its slots one that has come back is given: one at first, all when the window is over, evenly between. Pure.</summary>
/// <remarks>A bound on requests at a time rather than a smaller weight (Envoy's <c>slow_start</c>): it holds in a burst after silence, too.</remarks>
internal static class SlowStart
{
    /// <summary>How many requests it may hold.</summary>
    /// <param name="slots">Its slots.</param>
    /// <param name="from">When it came back.</param>
    /// <param name="until">When it has all again.</param>
    /// <param name="now">The moment.</param>
    public static int Limit(int slots, long from, long until, long now) =>
        now >= until ? slots
        : now <= from ? Math.Min(1, slots)
        : Math.Min(slots, 1 + (int)((slots - 1) * ((now - from) / (double)(until - from))));
}

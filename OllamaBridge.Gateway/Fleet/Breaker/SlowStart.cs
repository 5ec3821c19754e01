namespace OllamaBridge.Gateway.Fleet.Breaker;

/// <summary>Computes the slots of an instance or model that is back: one at first, all at the end of the window, linear in between. Pure.</summary>
/// <remarks>Limits parallel requests instead of lowering a weight (Envoy's <c>slow_start</c>), so that it also holds in a burst after silence.</remarks>
internal static class SlowStart
{
    public static int Limit(int slots, long from, long until, long now) =>
        now >= until ? slots
        : now <= from ? Math.Min(1, slots)
        : Math.Min(slots, 1 + (int)((slots - 1) * ((now - from) / (double)(until - from))));
}

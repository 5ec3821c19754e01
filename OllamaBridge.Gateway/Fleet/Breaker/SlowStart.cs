namespace OllamaBridge.Gateway.Fleet.Breaker;

/// <summary>The slots of an instance or model that is back: one at first, then linear. Limits requests, not a weight as Envoy's <c>slow_start</c>. Pure.</summary>
internal static class SlowStart
{
    public static int Limit(int slots, long from, long until, long now) =>
        now >= until ? slots
        : now <= from ? Math.Min(1, slots)
        : Math.Min(slots, 1 + (int)((slots - 1) * ((now - from) / (double)(until - from))));
}

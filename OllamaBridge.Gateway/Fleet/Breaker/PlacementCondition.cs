namespace OllamaBridge.Gateway.Fleet.Breaker;

/// <summary>Whether, and how, a model on an instance may be given work at a moment.</summary>
internal enum PlacementCondition
{
    /// <summary>Like any other.</summary>
    Steady,

    /// <summary>Back after having been away: a few requests at a time.</summary>
    SlowStart,

    /// <summary>It runs on the processor, though it belongs into the memory of a GPU: only where nobody else has it.</summary>
    OnCpu,

    /// <summary>It didn't fit into the instance's memory lately: used only if no other instance can.</summary>
    ShortOfMemory,

    /// <summary>It is far slower than usual: only where nobody else has it.</summary>
    Slow,

    /// <summary>Slow, and it is time to see whether it still is.</summary>
    SlowDue,

    /// <summary>It failed; the time is over for which it was to be left alone, and one request may show whether it answers.</summary>
    HalfOpen,

    /// <summary>That one request is under way.</summary>
    Probing,

    /// <summary>Its instance asked to be left alone for a while.</summary>
    Busy,

    /// <summary>It failed: it gets nothing.</summary>
    Open,
}

namespace OllamaBridge.Gateway.Fleet.Breaker;

internal enum PlacementCondition
{
    Steady,

    SlowStart,

    /// <summary>It runs on the CPU although it belongs in GPU memory: used only if no other instance has it.</summary>
    OnCpu,

    /// <summary>It did not fit into the instance's memory recently: used only if no other instance can serve it.</summary>
    ShortOfMemory,

    /// <summary>It is far slower than usual: used only if no other instance has it.</summary>
    Slow,

    /// <summary>It is slow, and a probe request is due.</summary>
    SlowDue,

    HalfOpen,

    Probing,

    Busy,

    Open,
}

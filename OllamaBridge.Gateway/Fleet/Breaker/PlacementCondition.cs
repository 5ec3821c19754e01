namespace OllamaBridge.Gateway.Fleet.Breaker;

/// <summary>Whether, and with which restriction, a model on an instance can be used.</summary>
internal enum PlacementCondition
{
    /// <summary>No restriction.</summary>
    Steady,

    /// <summary>Recently back: only a few requests at a time.</summary>
    SlowStart,

    /// <summary>It runs on the CPU although it belongs in GPU memory: used only if no other instance has it.</summary>
    OnCpu,

    /// <summary>It did not fit into the instance's memory recently: used only if no other instance can serve it.</summary>
    ShortOfMemory,

    /// <summary>It is far slower than usual: used only if no other instance has it.</summary>
    Slow,

    /// <summary>It is slow, and a probe request is due.</summary>
    SlowDue,

    /// <summary>It failed, and its open time is over: one probe request may pass.</summary>
    HalfOpen,

    /// <summary>The probe request is running.</summary>
    Probing,

    /// <summary>The instance sent a busy response, and its back-off is not over.</summary>
    Busy,

    /// <summary>It failed: it gets no requests.</summary>
    Open,
}

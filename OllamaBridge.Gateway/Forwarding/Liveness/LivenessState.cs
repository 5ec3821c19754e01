namespace OllamaBridge.Gateway.Forwarding.Liveness;

/// <summary>What checks say about an instance that is silent on a request.</summary>
internal enum LivenessState
{
    /// <summary>Nothing: it has not been checked, or cannot be.</summary>
    Unknown,

    /// <summary>A check is under way and not overdue.</summary>
    Pending,

    /// <summary>It answers checks: the silence is work or waiting.</summary>
    Alive,

    /// <summary>A check by a generation is overdue although the server answers other routes: the check may be waiting for a slot.</summary>
    Suspect,

    /// <summary>A check is overdue because the model is being loaded.</summary>
    Loading,

    /// <summary>A check is overdue and nothing explains it.</summary>
    Unresponsive,
}

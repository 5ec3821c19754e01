namespace OllamaBridge.Gateway.Resumption.Liveness;

internal enum LivenessState
{
    /// <summary>The instance has not been checked, or cannot be.</summary>
    Unknown,

    /// <summary>A check is running and not overdue.</summary>
    Pending,

    /// <summary>The instance responds to checks: the silence is work or waiting.</summary>
    Alive,

    /// <summary>A check by a generation is overdue although the server responds on other routes: the check may be waiting for a slot.</summary>
    Suspect,

    /// <summary>A check is overdue because the model is being loaded.</summary>
    Loading,

    /// <summary>A check is overdue without an explanation.</summary>
    Unresponsive,
}

namespace OllamaBridge.Gateway.Resumption;

/// <summary>Why a response that had begun was not completed: a label of metrics, traces and the ledger.</summary>
internal enum Interruption
{
    Reset,

    EndedEarly,

    /// <summary>The instance sent an error in the stream, or swallowed one.</summary>
    ErrorTold,

    Unreadable,

    /// <summary>The stream was silent for longer than the pace of its instance explains.</summary>
    Stalled,

    InstanceLost,

    /// <summary>The deadline of a drain of the instance passed.</summary>
    Drained,

    /// <summary>The gateway stops, and its deadline passed.</summary>
    Stopped,

    /// <summary>The replayed response differs from the one that was sent. Labels and the ledger name the interruption before it.</summary>
    Diverged,
}

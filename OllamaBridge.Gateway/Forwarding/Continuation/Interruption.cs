namespace OllamaBridge.Gateway.Forwarding.Continuation;

/// <summary>Why an answer that had begun did not come to its end: a label of metrics, traces and the ledger.</summary>
internal enum Interruption
{
    /// <summary>The connection broke.</summary>
    Reset,

    /// <summary>It ended without the mark of a whole answer.</summary>
    EndedEarly,

    /// <summary>The instance told of an error in the stream, or swallowed one.</summary>
    ErrorTold,

    /// <summary>A message could not be read.</summary>
    Unreadable,

    /// <summary>It stood still for longer than its instance's pace explains.</summary>
    Stalled,

    /// <summary>Health looks found that the instance is no more.</summary>
    InstanceLost,

    /// <summary>Its instance is emptied, and the time for that was over.</summary>
    Drained,

    /// <summary>The gateway stops, and the time for that was over.</summary>
    Stopped,

    /// <summary>The answer, written again from its beginning, differs from the one that was sent, so it cannot be resumed. Labels and the ledger name the break before it.</summary>
    Diverged,
}

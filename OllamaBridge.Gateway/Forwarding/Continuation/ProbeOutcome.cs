namespace OllamaBridge.Gateway.Forwarding.Continuation;

/// <summary>The outcome of a request for raw text that the bridge itself reads.</summary>
internal enum ProbeOutcome
{
    /// <summary>The text was read, or the text that was looked for is known.</summary>
    Succeeded,

    /// <summary>The instance did not answer, refused, or wrote something else.</summary>
    NotFound,

    /// <summary>The instance began and then told an error: it cannot write this answer.</summary>
    ErrorTold,
}

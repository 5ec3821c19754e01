namespace OllamaBridge.Gateway.Forwarding.Continuation;

/// <summary>What came of having an instance write raw text for the bridge.</summary>
internal enum ProbeOutcome
{
    /// <summary>The text was read, or what was looked for is known.</summary>
    Succeeded,

    /// <summary>The instance did not answer, refused, or wrote something else.</summary>
    NotFound,

    /// <summary>The instance began and then told an error: it cannot write this answer.</summary>
    ErrorTold,
}

namespace OllamaBridge.Gateway.Resumption;

/// <summary>The outcome of a request for raw text that the bridge itself reads.</summary>
internal enum ProbeOutcome
{
    Succeeded,

    /// <summary>The instance did not respond, refused, or wrote another text.</summary>
    NotFound,

    /// <summary>The instance began and then sent an error: it cannot write this response.</summary>
    ErrorTold,
}

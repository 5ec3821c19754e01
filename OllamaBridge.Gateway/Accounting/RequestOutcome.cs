namespace OllamaBridge.Gateway.Accounting;

internal enum RequestOutcome
{
    Succeeded,

    /// <summary>The request is invalid or was rejected.</summary>
    Rejected,

    /// <summary>No instance could serve it.</summary>
    Failed,

    /// <summary>The response was cut off and ended with an error.</summary>
    Truncated,

    Cancelled,
}

using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Forwarding;

/// <summary>What <see cref="ResponseTransformer"/> and the response's stream have observed of an attempt; <see cref="AttemptOutcome"/> classifies it.</summary>
internal sealed class AttemptResult
{
    /// <summary>The status of the instance's response; 0 before there is one.</summary>
    public int Status { get; set; }

    /// <summary>How the instance failed; null if it did not. The client received nothing, or only the error response of the instance.</summary>
    public InstanceFailure? Failure { get; set; }

    /// <summary>The status for a client whose request body is faulty; 0 if it is not.</summary>
    public int BodyFault { get; set; }

    /// <summary>Whether the instance rejected the request for a reason in the request.</summary>
    public bool IsRejected { get; set; }

    /// <summary>The Retry-After of a busy instance, zero if it sent none; null if the instance is not busy.</summary>
    public TimeSpan? BusyFor { get; set; }

    /// <summary>Whether the instance is a bridge whose queue is full, and the request waits for room. The client received nothing.</summary>
    public bool WaitsForRoom { get; set; }

    /// <summary>The instance's error response, for the client if no other attempt succeeds.</summary>
    public RetainedResponse? Retained { get; set; }

    /// <summary>Whether the request is too long for the model and another model may accept it. The client received nothing.</summary>
    public bool IsTooLong { get; set; }

    /// <summary>Whether the client receives the instance's response.</summary>
    public bool IsDelivered { get; set; }

    /// <summary>Whether the response broke off and was ended with an error.</summary>
    public bool IsTruncated { get; set; }

    /// <summary>Whether a stream of progress broke off after a complete line and no error was sent.</summary>
    public bool IsCutOff { get; set; }

    /// <summary>Decode time in nanoseconds as the instance reported it; 0 if it did not.</summary>
    public long DecodeNanoseconds { get; set; }

    /// <summary>Prompt evaluation time in nanoseconds as the instance reported it in a response in one piece; 0 if it did not.</summary>
    public long PrefillNanoseconds { get; set; }
}

/// <summary>An error response that is kept for later. <paramref name="RetryAfter"/> is zero if the instance sent none.</summary>
internal sealed record RetainedResponse(int Status, string? ContentType, ReadOnlyMemory<byte> Body, TimeSpan RetryAfter = default);

using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Forwarding;

/// <summary>What <see cref="ResponseTransformer"/> and the response's stream have observed of an attempt; <see cref="AttemptOutcome"/> classifies it.</summary>
internal sealed class AttemptResult
{
    /// <summary>0 before there is a response.</summary>
    public int Status { get; set; }

    /// <summary>Null if the instance did not fail. The client received nothing, or only the error response of the instance.</summary>
    public InstanceFailure? Failure { get; set; }

    /// <summary>The status for a client whose body is faulty; 0 if it is not.</summary>
    public int BodyFault { get; set; }

    public bool IsRejected { get; set; }

    /// <summary>The Retry-After of a busy instance, zero if it sent none; null if the instance is not busy.</summary>
    public TimeSpan? BusyFor { get; set; }

    /// <summary>Whether the instance is a bridge whose queue is full, and the request waits for room. The client received nothing.</summary>
    public bool WaitsForRoom { get; set; }

    public RetainedResponse? Retained { get; set; }

    /// <summary>Whether the request is too long for the model and another model may accept it. The client received nothing.</summary>
    public bool IsTooLong { get; set; }

    public bool IsDelivered { get; set; }

    public bool IsTruncated { get; set; }

    public bool IsCutOff { get; set; }

    /// <summary>In nanoseconds as the instance reported it; 0 if it did not.</summary>
    public long DecodeNanoseconds { get; set; }

    /// <summary>As <see cref="DecodeNanoseconds"/>, for a response in one piece.</summary>
    public long PrefillNanoseconds { get; set; }
}

/// <summary><paramref name="RetryAfter"/> is zero if the instance sent none.</summary>
internal sealed record RetainedResponse(int Status, string? ContentType, ReadOnlyMemory<byte> Body, TimeSpan RetryAfter = default);

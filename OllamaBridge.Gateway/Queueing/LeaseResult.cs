using OllamaBridge.Gateway.Quotas;
using OllamaBridge.Gateway.Scheduling;

namespace OllamaBridge.Gateway.Queueing;

/// <summary>A lease; or, with a null <paramref name="Lease"/>, the reason for its refusal and the time until a retry may succeed.</summary>
internal readonly record struct LeaseResult(InstanceLease? Lease, LeaseRefusal Refusal, TimeSpan RetryAfter)
{
    /// <summary>The queue that it waited in or would have waited in; the default if no model was found.</summary>
    public QueueKey Queue { get; init; }

    /// <summary>The charge to its tenant, to be settled when the request ends.</summary>
    public TokenCharge Charge { get; init; }

    /// <summary>If refused: its approximate position in the queue, from 1; 0 if there is none.</summary>
    public int Position { get; init; }

    public TimeSpan? EstimatedWait { get; init; }
}

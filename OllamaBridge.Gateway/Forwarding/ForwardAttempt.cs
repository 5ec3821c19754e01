using System.Diagnostics;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Scheduling;

namespace OllamaBridge.Gateway.Forwarding;

/// <summary>One sending of a request to one instance: what went in, what came out. A feature of the HTTP context.</summary>
internal sealed class ForwardAttempt(BridgeCall call, InstanceLease lease, RetryBudget? budget, long sentAt)
{
    private bool? _retry;

    /// <summary>The request.</summary>
    public BridgeCall Call { get; } = call;

    /// <summary>The right to the instance.</summary>
    public InstanceLease Lease { get; } = lease;

    /// <summary>After a failure: whether the request may be sent elsewhere. Takes a retry out of the budget, once.</summary>
    public bool TakeRetry() => _retry ??= budget is not null && budget.TryWithdraw();

    /// <summary>When it was sent, in <see cref="TimeProvider.GetTimestamp"/>'s ticks.</summary>
    public long SentAt { get; } = sentAt;

    /// <summary>Its span; null where nobody listens.</summary>
    public Activity? Span { get; init; }

    /// <summary>How the instance failed, if it did; set where nothing has been sent to the client for it.</summary>
    public InstanceFailure? Failure { get; set; }

    /// <summary>The instance's own words for the failure, to be passed on if nobody does better.</summary>
    public RetainedAnswer? Retained { get; set; }

    /// <summary>Whether the instance found the request too long for the model, and another model may take it; nothing has been sent to the client.</summary>
    public bool IsTooLong { get; set; }

    /// <summary>Whether an answer was handed to the client.</summary>
    public bool Delivered { get; set; }

    /// <summary>Reads along with the stream; null for none.</summary>
    public StreamWatcher? Watcher { get; set; }

    /// <summary>Whether the stream broke off and was ended with an error.</summary>
    public bool Truncated { get; set; }
}

/// <summary>An error answer kept aside.</summary>
/// <param name="Status">HTTP status.</param>
/// <param name="ContentType">As the instance sent it.</param>
/// <param name="Body">Its bytes.</param>
internal sealed record RetainedAnswer(int Status, string? ContentType, ReadOnlyMemory<byte> Body);

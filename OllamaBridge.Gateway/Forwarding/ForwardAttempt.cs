using System.Diagnostics;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Forwarding.Continuation;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Scheduling;

namespace OllamaBridge.Gateway.Forwarding;

/// <summary>One sending of a request to one instance: what went in, what came out. A feature of the HTTP context.</summary>
internal sealed class ForwardAttempt(
    BridgeCall call, InstanceLease lease, RetryBudget? budget, TimeProvider time, CancellationToken gone)
{
    private bool? _retry;
    private long _lastByteAt;

    /// <summary>The request.</summary>
    public BridgeCall Call { get; } = call;

    /// <summary>The right to the instance.</summary>
    public InstanceLease Lease { get; } = lease;

    /// <summary>After a failure: whether the request may be sent elsewhere. Takes a retry out of the budget, once.</summary>
    public bool TakeRetry() => _retry ??= budget is not null && budget.TryWithdraw();

    /// <summary>When it was sent, in <see cref="TimeProvider.GetTimestamp"/>'s ticks.</summary>
    public long SentAt { get; } = time.GetTimestamp();

    /// <summary>Its span; null where nobody listens.</summary>
    public Activity? Span { get; init; }

    /// <summary>How the instance failed, if it did; set where nothing has been sent to the client for it.</summary>
    public InstanceFailure? Failure { get; set; }

    /// <summary>The instance's own words for the failure, to be passed on if nobody does better.</summary>
    public RetainedAnswer? Retained { get; set; }

    /// <summary>Whether an answer was handed to the client.</summary>
    public bool Delivered { get; set; }

    /// <summary>Reads along with the stream; null for none.</summary>
    public StreamWatcher? Watcher { get; set; }

    /// <summary>Whether the stream broke off and was ended with an error.</summary>
    public bool Truncated { get; set; }

    /// <summary>What was asked in place of the client's own request; null where this is the request itself.</summary>
    public ContinuationPlan? Plan { get; init; }

    /// <summary>Whether the mark of a whole answer has come, of a stream that is kept.</summary>
    public bool IsComplete { get; set; }

    /// <summary>Why the answer broke off, where what the client was sent is kept.</summary>
    public Interruption? Interrupted { get; set; }

    /// <summary>The instance's own message that it failed; empty for none.</summary>
    public ReadOnlyMemory<byte> Told { get; set; }

    /// <summary>Why whoever watches ended it.</summary>
    public Interruption? Cause { get; set; }

    /// <summary>Ends the reading of the answer, and nothing else; null where none is read.</summary>
    public CancellationTokenSource? Reading { get; set; }

    /// <summary>Whether nobody wants the answer any more.</summary>
    public bool IsAbandoned => gone.IsCancellationRequested;

    /// <summary>When the last bytes came, in the same ticks as <see cref="SentAt"/>.</summary>
    public long LastByteAt => Volatile.Read(ref _lastByteAt);

    /// <summary>Bytes have come.</summary>
    public void NoteByte() => Volatile.Write(ref _lastByteAt, time.GetTimestamp());
}

/// <summary>An error answer kept aside.</summary>
/// <param name="Status">HTTP status.</param>
/// <param name="ContentType">As the instance sent it.</param>
/// <param name="Body">Its bytes.</param>
internal sealed record RetainedAnswer(int Status, string? ContentType, ReadOnlyMemory<byte> Body);

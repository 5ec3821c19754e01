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

    /// <summary>Whether the instance rightly refused the request.</summary>
    public bool Rejected { get; set; }

    /// <summary>Where the instance said that it is busy: for how long it asks to be left alone, zero for no time; else null.</summary>
    public TimeSpan? BusyFor { get; set; }

    /// <summary>How long the answer's tokens took, in nanoseconds, as the instance told; 0 where it did not.</summary>
    public long DecodeNanoseconds { get; set; }

    /// <summary>The instance's own words for the failure, to be passed on if nobody does better.</summary>
    public RetainedAnswer? Retained { get; set; }

    /// <summary>Whether an answer was handed to the client.</summary>
    public bool Delivered { get; set; }

    /// <summary>Reads along with the stream; null for none.</summary>
    public StreamWatcher? Watcher { get; set; }

    /// <summary>Whether the stream broke off and was ended with an error.</summary>
    public bool Truncated { get; set; }

    /// <summary>How long the answer's tokens took: as the instance told, else since the first byte of a stream, else zero.</summary>
    public TimeSpan DecodeTime(TimeProvider time)
    {
        var told = Watcher?.DecodeNanoseconds is > 0 and var streamed ? streamed : DecodeNanoseconds;
        return told > 0 ? TimeSpan.FromMicroseconds(told / 1000.0)
            : Watcher is not null && Call.AnsweredAt is { } answered ? time.GetElapsedTime(answered)
            : TimeSpan.Zero;
    }
}

/// <summary>An error answer kept aside.</summary>
/// <param name="Status">HTTP status.</param>
/// <param name="ContentType">As the instance sent it.</param>
/// <param name="Body">Its bytes.</param>
/// <param name="RetryAfter">When to try again, if it said so; else zero.</param>
internal sealed record RetainedAnswer(int Status, string? ContentType, ReadOnlyMemory<byte> Body, TimeSpan RetryAfter = default);

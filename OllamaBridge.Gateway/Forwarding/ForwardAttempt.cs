using System.Diagnostics;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Fleet.Parallelism;
using OllamaBridge.Gateway.Forwarding.Hedging;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Resumption;
using OllamaBridge.Gateway.Resumption.Liveness;
using OllamaBridge.Gateway.Scheduling;

namespace OllamaBridge.Gateway.Forwarding;

/// <summary>One sending of a request to one instance, with its result. A feature of the HTTP context.</summary>
internal sealed class ForwardAttempt(
    BridgeCall call, InstanceLease lease, RetryBudget? budget, TimeProvider time, CancellationToken gone)
{
    private const int Waiting = 0;
    private const int Begun = 1;
    private const int GivenUp = 2;
    private const long Claimed = -1;
    private readonly Lock _open = new();
    private bool _isClosed;
    private bool? _retry;
    private long _firstByteAt;
    private long _lastByteAt;
    private long _readingSince;
    private int _state;
    private CancellationTokenSource? _sending;
    private CancellationTokenSource? _reading;

    public BridgeCall Call { get; } = call;

    public InstanceLease Lease { get; } = lease;

    /// <summary>After a failure: whether the request may be sent again. Takes one retry out of the budget at the first call.</summary>
    public bool TakeRetry() => _retry ??= budget is not null && budget.TryWithdraw();

    /// <summary>Requests for the model on the instance when this one was sent, this one included.</summary>
    public int InFlight { get; } = lease.Placement.State.Active;

    /// <summary>The time of sending, in <see cref="TimeProvider.GetTimestamp"/>'s ticks.</summary>
    public long SentAt { get; } = time.GetTimestamp();

    /// <summary>Null if tracing has no listener.</summary>
    public Activity? Span { get; init; }

    /// <summary>How the instance failed; null if it did not. The client received nothing, or only the error response of the instance.</summary>
    public InstanceFailure? Failure { get; set; }

    /// <summary>The status of the instance's response; 0 before there is one.</summary>
    public int Status { get; set; }

    public ConnectionUse? Connection { get; set; }

    /// <summary>The status for a client whose request body is faulty; 0 if it is not.</summary>
    public int BodyFault { get; set; }

    /// <summary>Whether the instance rejected the request for a reason in the request.</summary>
    public bool Rejected { get; set; }

    /// <summary>The Retry-After of a busy instance, zero if it sent none; null if the instance is not busy.</summary>
    public TimeSpan? BusyFor { get; set; }

    /// <summary>Whether the instance is a bridge whose queue is full, and the request waits for room. The client received nothing.</summary>
    public bool WaitsForRoom { get; set; }

    /// <summary>Decode time in nanoseconds as the instance reported it; 0 if it did not.</summary>
    public long DecodeNanoseconds { get; set; }

    /// <summary>Prompt evaluation time in nanoseconds as the instance reported it in a response in one piece; 0 if it did not.</summary>
    public long PrefillNanoseconds { get; set; }

    /// <summary>The instance's error response, for the client if no other attempt succeeds.</summary>
    public RetainedResponse? Retained { get; set; }

    /// <summary>Whether the request is too long for the model and another model may accept it. The client received nothing.</summary>
    public bool IsTooLong { get; set; }

    public bool Delivered { get; set; }

    /// <summary>Observes the stream; null for other responses.</summary>
    public StreamWatcher? Watcher { get; set; }

    public bool Truncated { get; set; }

    /// <summary>Whether a stream of progress broke off after a complete line and no error was sent.</summary>
    public bool IsCutOff { get; set; }

    /// <summary>The plan of a resumption; null if this attempt sends the client's own request.</summary>
    public ResumptionPlan? Plan { get; init; }

    /// <summary>Whether a resumable stream has reached its terminal marker.</summary>
    public bool IsComplete { get; set; }

    /// <summary>Null if the response did not break off or is not resumable.</summary>
    public Interruption? Interrupted { get; set; }

    /// <summary>The error line that the instance sent in its stream; empty if none.</summary>
    public ReadOnlyMemory<byte> Told { get; set; }

    /// <summary>Why <see cref="StallDetector"/> ended the attempt; null if it did not.</summary>
    public Interruption? Cause { get; set; }

    /// <summary>Whether the client rejects resumption: its stream comes from one instance, or ends with an error.</summary>
    public bool IsBoundToInstance { get; init; }

    /// <summary>Whether the response so far can be resumed; null until <see cref="StallDetector"/> asks.</summary>
    public ResumeFeasibility? Move { get; set; }

    /// <summary>The liveness check of the instance; null until the response has been silent long enough.</summary>
    public LivenessCheck? Liveness { get; set; }

    /// <summary>Whether another instance could complete the response; null until checked.</summary>
    public bool? IsResumable { get; set; }

    /// <summary>Whether the instance responds on other routes, but not to a check that may have to wait for a slot.</summary>
    public bool IsSuspect { get; set; }

    /// <summary>Whether the model load that the attempt waited for has been measured.</summary>
    public bool IsLoadLearned { get; set; }

    /// <summary>Null unless the request is hedged.</summary>
    public HedgeRace? Race { get; init; }

    /// <summary>Whether the other attempt of a hedged request has a response, so that this one is not needed.</summary>
    public bool IsOvertaken { get; private set; }

    /// <summary>Why the attempt was cancelled without a failure of its instance; null if it was not.</summary>
    public InstanceFailure? Taken => IsOvertaken ? InstanceFailure.Overtaken : Cause switch
    {
        Interruption.Drained => InstanceFailure.Drained,
        Interruption.Stopped => InstanceFailure.Stopped,
        _ => null,
    };

    /// <summary>Cancels the attempt before its response has begun; null if it can't be cancelled.</summary>
    public CancellationTokenSource? Sending
    {
        set => Volatile.Write(ref _sending, value);
    }

    /// <summary>Cancels reading the response without cancelling the forwarding; null if no response is read.</summary>
    public CancellationTokenSource? Reading
    {
        set => Volatile.Write(ref _reading, value);
    }

    public bool HasBegun => Volatile.Read(ref _state) == Begun;

    /// <summary>Whether another attempt is possible. A resumption always allows one.</summary>
    public bool CanRetry => budget is not null || Plan is not null;

    public int Messages { get; set; }

    /// <summary>The time of the first bytes, in the same ticks as <see cref="SentAt"/>; 0 before.</summary>
    public long FirstByteAt => Volatile.Read(ref _firstByteAt);

    public bool IsAbandoned => gone.IsCancellationRequested;

    /// <summary>
    /// When the current read from the instance began, in the same ticks as <see cref="SentAt"/>; 0 while the client is still receiving earlier bytes.
    /// </summary>
    public long ReadingSince
    {
        get => Math.Max(0, Volatile.Read(ref _readingSince));
        private set => Volatile.Write(ref _readingSince, value);
    }

    /// <summary>The time of the last bytes, in the same ticks as <see cref="SentAt"/>; 0 before.</summary>
    public long LastByteAt => Volatile.Read(ref _lastByteAt);

    /// <summary>Decode time: as the instance reported it, else from the first to the last bytes of a stream, else zero.</summary>
    public TimeSpan DecodeTime()
    {
        var told = Watcher?.DecodeNanoseconds is > 0 and var streamed ? streamed
            : Call.Kept is { End.Duration: > 0 } kept ? kept.End.Duration
            : DecodeNanoseconds;
        return told > 0 ? TimeSpan.FromMicroseconds(told / 1000.0)
            : Watcher is not null && Call.AnsweredAt is { } answered ? time.GetElapsedTime(answered)
            : LastByteAt > FirstByteAt ? time.GetElapsedTime(FirstByteAt, LastByteAt)
            : TimeSpan.Zero;
    }

    /// <summary>Prompt evaluation time: as the instance reported it, else the time to the first byte of a stream that had the model to itself.</summary>
    /// <returns>Zero if it is unknown.</returns>
    public TimeSpan PrefillTime()
    {
        var told = Watcher?.PrefillNanoseconds is > 0 and var streamed ? streamed
            : Call.Kept is { End.PromptDuration: > 0 } kept ? kept.End.PromptDuration
            : PrefillNanoseconds;
        return told > 0 ? TimeSpan.FromMicroseconds(told / 1000.0)
            : Lease.WasLoaded && InFlight == 1 && FirstByteAt > SentAt && (Watcher is not null || Messages > 1) ? time.GetElapsedTime(SentAt, FirstByteAt)
            : TimeSpan.Zero;
    }

    /// <summary>The time in which the instance ran the request, as a sample for learning its parallelism.</summary>
    /// <returns>Null if it is unknown.</returns>
    public OverlapSample? Overlap()
    {
        var streams = Messages > 1 || Watcher is not null;
        var end = streams ? LastByteAt : time.GetTimestamp();
        var start = streams ? FirstByteAt : DecodeNanoseconds > 0 ? end - (long)(DecodeNanoseconds / 1e9 * time.TimestampFrequency) : 0;
        return HasBegun && start > 0 ? new OverlapSample(SentAt, Math.Max(SentAt, start), end, InFlight) : null;
    }

    public void NoteReading() => ReadingSince = time.GetTimestamp();

    public void NoteRead() => ReadingSince = 0;

    public void NoteByte()
    {
        var now = time.GetTimestamp();
        if (_firstByteAt == 0)
            Volatile.Write(ref _firstByteAt, now);
        Volatile.Write(ref _lastByteAt, now);
    }

    /// <returns>False if the attempt was given up before.</returns>
    public bool TryBegin()
    {
        NoteByte();
        return Interlocked.CompareExchange(ref _state, Begun, Waiting) != GivenUp;
    }

    /// <summary>
    /// Gives the attempt up, for <paramref name="cause"/>, even without another attempt if <paramref name="isFinal"/>. Bytes that were already read
    /// are still written.
    /// </summary>
    public void GiveUp(Interruption cause, bool isFinal = false)
    {
        if (Volatile.Read(ref _state) == Waiting)
        {
            if (!(isFinal || MayGiveUp(cause)) || Interlocked.CompareExchange(ref _state, GivenUp, Waiting) != Waiting)
                return;
            if (cause is Interruption.Drained or Interruption.Stopped)
                _retry = cause == Interruption.Drained;
            Cause = cause;
            Cancel(Volatile.Read(ref _sending));
        }
        else if (Volatile.Read(ref _reading) is { } reading)
        {
            if (cause == Interruption.Drained && !TryClaim())
                return;
            Cause ??= cause;
            Cancel(reading);
        }
        else if (cause is Interruption.Stopped or Interruption.Stalled or Interruption.InstanceLost && Watcher is not null)
        {
            Cause ??= cause;
            Cancel(Volatile.Read(ref _sending));
        }
    }

    /// <summary>Ends this attempt because the other attempt of a hedged request has a response. The client receives nothing from this one.</summary>
    public void Overtake()
    {
        IsOvertaken = true;
        Interlocked.CompareExchange(ref _state, GivenUp, Waiting);
        Cancel(Volatile.Read(ref _sending));
    }

    /// <summary>Reads the request's own state (its body, its response so far) from another thread.</summary>
    /// <returns>The default if the attempt has ended.</returns>
    public T? Peek<T>(Func<ForwardAttempt, T> look)
    {
        lock (_open)
            return _isClosed ? default : look(this);
    }

    /// <summary>Ends the attempt. After this returns, no other thread reads the request's state.</summary>
    public void Close()
    {
        lock (_open)
            _isClosed = true;
    }

    /// <summary>Cancels a move that came too late: the response stays on its instance.</summary>
    public void Stay() => Cause = null;

    // Without another attempt, waiting is better, unless the bridge stops. A drain is no failure and costs no retry.
    private bool MayGiveUp(Interruption cause) => cause switch
    {
        Interruption.Stopped => true,
        Interruption.Drained => CanRetry,
        _ => TakeRetry(),
    };

    /// <summary>
    /// Claims a response that waits for its instance and can be resumed elsewhere. All received bytes have been processed then, and no further ones
    /// will be.
    /// </summary>
    private bool TryClaim()
    {
        var since = ReadingSince;
        return since != 0
            && Peek(static a => a.Move?.IsYes(a) == true)
            && Interlocked.CompareExchange(ref _readingSince, Claimed, since) == since;
    }

    private static void Cancel(CancellationTokenSource? source)
    {
        try
        {
            source?.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // The attempt has just ended.
        }
    }
}

/// <summary>An error response that is kept for later. <paramref name="RetryAfter"/> is zero if the instance sent none.</summary>
internal sealed record RetainedResponse(int Status, string? ContentType, ReadOnlyMemory<byte> Body, TimeSpan RetryAfter = default);

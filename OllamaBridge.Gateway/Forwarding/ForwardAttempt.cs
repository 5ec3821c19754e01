using System.Diagnostics;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Fleet.Parallelism;
using OllamaBridge.Gateway.Forwarding.Continuation;
using OllamaBridge.Gateway.Forwarding.Hedging;
using OllamaBridge.Gateway.Forwarding.Liveness;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Scheduling;

namespace OllamaBridge.Gateway.Forwarding;

/// <summary>One sending of a request to one instance: what went in, what came out. A feature of the HTTP context.</summary>
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

    /// <summary>The request.</summary>
    public BridgeCall Call { get; } = call;

    /// <summary>The right to the instance.</summary>
    public InstanceLease Lease { get; } = lease;

    /// <summary>After a failure: whether the request may be sent elsewhere. Takes a retry out of the budget, once.</summary>
    public bool TakeRetry() => _retry ??= budget is not null && budget.TryWithdraw();

    /// <summary>How many requests for its model its instance held when it was sent, this one included.</summary>
    public int InFlight { get; } = lease.Placement.State.Active;

    /// <summary>When it was sent, in <see cref="TimeProvider.GetTimestamp"/>'s ticks.</summary>
    public long SentAt { get; } = time.GetTimestamp();

    /// <summary>Its span; null where nobody listens.</summary>
    public Activity? Span { get; init; }

    /// <summary>How the instance failed, if it did; set where nothing has been sent to the client for it.</summary>
    public InstanceFailure? Failure { get; set; }

    /// <summary>The status of the instance's response; 0 before there is one.</summary>
    public int Status { get; set; }

    /// <summary>Whether the connection had been used before; null before it is written to.</summary>
    public ConnectionUse? Connection { get; set; }

    /// <summary>The status that tells the client what is wrong with the body that it sends; 0 if nothing is.</summary>
    public int BodyFault { get; set; }

    /// <summary>Whether the instance rightly refused the request.</summary>
    public bool Rejected { get; set; }

    /// <summary>Where the instance said that it is busy: for how long it asks to be left alone, zero for no time; else null.</summary>
    public TimeSpan? BusyFor { get; set; }

    /// <summary>Whether the instance is a bridge whose queue is full, and the request waits for room; nothing has been sent to the client.</summary>
    public bool WaitsForRoom { get; set; }

    /// <summary>How long the answer's tokens took, in nanoseconds, as the instance told; 0 where it did not.</summary>
    public long DecodeNanoseconds { get; set; }

    /// <summary>How long the prompt's evaluation took, in nanoseconds, as the instance told in an answer in one piece; 0 if it did not.</summary>
    public long PrefillNanoseconds { get; set; }

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

    /// <summary>Whether a stream of progress broke off behind a whole line and nothing else was sent.</summary>
    public bool IsCutOff { get; set; }

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

    /// <summary>Whether the client wants its stream from one instance, or an error.</summary>
    public bool IsBoundToInstance { get; init; }

    /// <summary>Whether what the client was sent could be gone on with; null where nobody has asked. Whoever watches asks.</summary>
    public MoveQuestion? Move { get; set; }

    /// <summary>Checks whether its instance still answers; null while it has not been silent for long.</summary>
    public LivenessCheck? Liveness { get; set; }

    /// <summary>Whether another instance could write the rest of its answer; null until the watch has checked.</summary>
    public bool? IsResumable { get; set; }

    /// <summary>Whether its instance answers other routes, but not a check that may have to wait for a slot.</summary>
    public bool IsSuspect { get; set; }

    /// <summary>Whether the load that it waited for has been timed.</summary>
    public bool IsLoadLearned { get; set; }

    /// <summary>What it takes part in, where the request may be sent to two instances; else null.</summary>
    public HedgeRace? Race { get; init; }

    /// <summary>Whether another sending of the request has an answer, so that this one's is not wanted.</summary>
    public bool IsOvertaken { get; private set; }

    /// <summary>Where it was taken from its instance, which has failed in nothing: why; else null.</summary>
    public InstanceFailure? Taken => IsOvertaken ? InstanceFailure.Overtaken : Cause switch
    {
        Interruption.Drained => InstanceFailure.Drained,
        Interruption.Stopped => InstanceFailure.Stopped,
        _ => null,
    };

    /// <summary>Ends the sending before its answer has begun; null where that is nobody's to do.</summary>
    public CancellationTokenSource? Sending
    {
        set => Volatile.Write(ref _sending, value);
    }

    /// <summary>Ends the reading of the answer, and nothing else; null where none is read.</summary>
    public CancellationTokenSource? Reading
    {
        set => Volatile.Write(ref _reading, value);
    }

    /// <summary>Whether the answer has begun.</summary>
    public bool HasBegun => Volatile.Read(ref _state) == Begun;

    /// <summary>Whether another try would be possible, or another instance is asked to go on with the answer in any case.</summary>
    public bool CanRetry => budget is not null || Plan is not null;

    /// <summary>Messages of the answer that have come.</summary>
    public int Messages { get; set; }

    /// <summary>When the first bytes came, in the same ticks as <see cref="SentAt"/>; 0 before.</summary>
    public long FirstByteAt => Volatile.Read(ref _firstByteAt);

    /// <summary>Whether nobody wants the answer any more.</summary>
    public bool IsAbandoned => gone.IsCancellationRequested;

    /// <summary>Since when more of the answer is waited for, in the same ticks as <see cref="SentAt"/>; 0 while the client still takes what has come.</summary>
    public long ReadingSince
    {
        get => Math.Max(0, Volatile.Read(ref _readingSince));
        private set => Volatile.Write(ref _readingSince, value);
    }

    /// <summary>When the last bytes came, in the same ticks as <see cref="SentAt"/>.</summary>
    public long LastByteAt => Volatile.Read(ref _lastByteAt);

    /// <summary>How long the answer's tokens took: as the instance told, else from the first bytes of a stream to its last, else zero.</summary>
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

    /// <summary>
    /// How long the prompt's evaluation took: as the instance told, else the time to the first byte of a stream that had the model to itself.
    /// </summary>
    /// <returns>Zero if that is not known.</returns>
    public TimeSpan PrefillTime()
    {
        var told = Watcher?.PrefillNanoseconds is > 0 and var streamed ? streamed
            : Call.Kept is { End.PromptDuration: > 0 } kept ? kept.End.PromptDuration
            : PrefillNanoseconds;
        return told > 0 ? TimeSpan.FromMicroseconds(told / 1000.0)
            : Lease.WasLoaded && InFlight == 1 && FirstByteAt > SentAt && (Watcher is not null || Messages > 1) ? time.GetElapsedTime(SentAt, FirstByteAt)
            : TimeSpan.Zero;
    }

    /// <summary>When its instance ran it.</summary>
    /// <returns>Null if that is not known.</returns>
    public OverlapSample? Overlap()
    {
        var streams = Messages > 1 || Watcher is not null;
        var end = streams ? LastByteAt : time.GetTimestamp();
        var start = streams ? FirstByteAt : DecodeNanoseconds > 0 ? end - (long)(DecodeNanoseconds / 1e9 * time.TimestampFrequency) : 0;
        return HasBegun && start > 0 ? new OverlapSample(SentAt, Math.Max(SentAt, start), end, InFlight) : null;
    }

    /// <summary>More of the answer is waited for.</summary>
    public void NoteReading() => ReadingSince = time.GetTimestamp();

    /// <summary>Nothing is waited for: what has come is passed on first.</summary>
    public void NoteRead() => ReadingSince = 0;

    /// <summary>Bytes have come.</summary>
    public void NoteByte()
    {
        var now = time.GetTimestamp();
        if (_firstByteAt == 0)
            Volatile.Write(ref _firstByteAt, now);
        Volatile.Write(ref _lastByteAt, now);
    }

    /// <summary>The answer begins.</summary>
    /// <returns>False where it was given up before.</returns>
    public bool TryBegin()
    {
        NoteByte();
        return Interlocked.CompareExchange(ref _state, Begun, Waiting) != GivenUp;
    }

    /// <summary>Gives it up: nothing more is waited for. What has been read is still written.</summary>
    /// <param name="cause">Why.</param>
    /// <param name="isFinal">Whether it ends even if the request cannot be sent again.</param>
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

    /// <summary>Another sending of the request has an answer: this one ends, before anything of it goes to the client.</summary>
    public void Overtake()
    {
        IsOvertaken = true;
        Interlocked.CompareExchange(ref _state, GivenUp, Waiting);
        Cancel(Volatile.Read(ref _sending));
    }

    /// <summary>Looks from another thread at what is the request's own: its body, what is kept of its answer.</summary>
    /// <returns>The default where the sending has ended.</returns>
    public T? Peek<T>(Func<ForwardAttempt, T> look)
    {
        lock (_open)
            return _isClosed ? default : look(this);
    }

    /// <summary>The sending ends: once this returns, nobody looks at the request from another thread.</summary>
    public void Close()
    {
        lock (_open)
            _isClosed = true;
    }

    /// <summary>A moment too late: what was to be moved cannot be any more, and stays.</summary>
    public void Stay() => Cause = null;

    // Without another try it is better waited for, unless nobody waits any longer. Being taken away is no failure: it costs no retry.
    private bool MayGiveUp(Interruption cause) => cause switch
    {
        Interruption.Stopped => true,
        Interruption.Drained => CanRetry,
        _ => TakeRetry(),
    };

    /// <summary>
    /// Whether an answer is in the middle of waiting for its instance, and can be gone on with elsewhere: all that has come has then been
    /// looked at, and what would come next has not.
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
            // It has just ended.
        }
    }
}

/// <summary>An error answer kept aside.</summary>
/// <param name="Status">HTTP status.</param>
/// <param name="ContentType">As the instance sent it.</param>
/// <param name="Body">Its bytes.</param>
/// <param name="RetryAfter">When to try again, if it said so; else zero.</param>
internal sealed record RetainedAnswer(int Status, string? ContentType, ReadOnlyMemory<byte> Body, TimeSpan RetryAfter = default);

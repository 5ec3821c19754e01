using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Scheduling;

namespace OllamaBridge.Gateway.Resumption;

/// <summary>One sending of a request to one instance: its timeline, its response stream, and the ways to end it early.</summary>
internal abstract class StreamedAttempt(ForwardedCall call, InstanceLease lease, TimeProvider time, CancellationToken gone)
{
    private const int Waiting = 0;
    private const int Begun = 1;
    private const int GivenUp = 2;
    private readonly Lock _open = new();
    private bool _isClosed;
    private int _state;
    private bool _isLoadLearned;
    private CancellationTokenSource? _sending;
    private CancellationTokenSource? _reading;

    protected TimeProvider Time { get; } = time;

    public ForwardedCall Call { get; } = call;

    public InstanceLease Lease { get; } = lease;

    public AttemptTimeline Timeline { get; } = new(time);

    /// <summary>The plan of a resumption; null if this attempt sends the client's own request.</summary>
    public ResumptionPlan? Plan { get; init; }

    /// <summary>Whether the client rejects resumption: its stream comes from one instance, or ends with an error.</summary>
    public bool IsBoundToInstance { get; init; }

    /// <summary>Observes the stream; null for other responses.</summary>
    public StreamWatcher? Watcher { get; set; }

    /// <summary>Whether a resumable stream has reached its terminal marker.</summary>
    public bool IsComplete { get; set; }

    /// <summary>Null if the response did not break off or is not resumable.</summary>
    public Interruption? Interrupted { get; set; }

    /// <summary>The error line that the instance sent in its stream; empty if none.</summary>
    public ReadOnlyMemory<byte> ErrorLine { get; set; }

    /// <summary>Why <see cref="StallDetector"/> ended the attempt; null if it did not.</summary>
    public Interruption? Cause { get; private set; }

    /// <summary>The findings of <see cref="StallDetector"/>; null until it has some.</summary>
    public StallState? Stall { get; private set; }

    /// <summary>Whether the instance failed; false before that is known.</summary>
    public abstract bool HasFailed { get; }

    /// <summary>Whether another attempt is possible.</summary>
    public abstract bool CanRetry { get; }

    public bool HasBegun => Volatile.Read(ref _state) == Begun;

    public bool IsAbandoned => gone.IsCancellationRequested;

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

    /// <summary>Claims the measurement of the model load that the attempt waited for.</summary>
    /// <returns>False if the load has been measured.</returns>
    public bool TryLearnLoad() => !_isLoadLearned && (_isLoadLearned = true);

    /// <summary>The findings of <see cref="StallDetector"/>, to be changed by its loop only.</summary>
    public StallState ObserveStall() => Stall ??= new StallState();

    /// <summary>Whether this attempt may be given up for another one. Called once at most, before the response has begun.</summary>
    protected abstract bool MayGiveUp(Interruption cause);

    /// <returns>False if the attempt was given up before.</returns>
    public bool TryBegin()
    {
        Timeline.AddBytes();
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
            OnGivenUp(cause);
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

    /// <summary>Reads the request's own state (its body, its response so far) from another thread.</summary>
    /// <returns>The default if the attempt has ended.</returns>
    public T? Peek<T>(Func<StreamedAttempt, T> read)
    {
        lock (_open)
            return _isClosed ? default : read(this);
    }

    /// <summary>Ends the attempt. After this returns, no other thread reads the request's state.</summary>
    public void Close()
    {
        lock (_open)
            _isClosed = true;
    }

    /// <summary>Cancels a move that came too late: the response stays on its instance.</summary>
    public void Stay() => Cause = null;

    /// <summary>Called when the attempt was given up before its response began.</summary>
    protected virtual void OnGivenUp(Interruption cause)
    {
    }

    /// <summary>Cancels the attempt unless its response has begun.</summary>
    protected void CancelSending()
    {
        Interlocked.CompareExchange(ref _state, GivenUp, Waiting);
        Cancel(Volatile.Read(ref _sending));
    }

    /// <summary>
    /// Claims a response that waits for its instance and can be resumed elsewhere. All received bytes have been processed then, and no further ones
    /// will be.
    /// </summary>
    private bool TryClaim()
    {
        var since = Timeline.ReadingSince;
        return since != 0
            && Peek(static a => a.Stall?.Feasibility?.IsFeasible(a) == true)
            && Timeline.TryClaim(since);
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

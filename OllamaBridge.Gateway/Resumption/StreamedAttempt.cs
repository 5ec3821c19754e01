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

    public ResumptionPlan? Plan { get; init; }

    /// <summary>Whether the client rejects resumption: its stream comes from one instance, or ends with an error.</summary>
    public bool IsBoundToInstance { get; init; }

    public StreamWatcher? Watcher { get; set; }

    public bool IsComplete { get; set; }

    /// <summary>Null if the response did not break off or is not resumable.</summary>
    public Interruption? Interrupted { get; set; }

    public ReadOnlyMemory<byte> ErrorLine { get; set; }

    /// <summary>Why <see cref="StallDetector"/> ended the attempt; null if it did not.</summary>
    public Interruption? Cause { get; private set; }

    public StallState? Stall { get; private set; }

    public abstract bool HasFailed { get; }

    public abstract bool CanRetry { get; }

    public bool HasBegun => Volatile.Read(ref _state) == Begun;

    public bool IsAbandoned => gone.IsCancellationRequested;

    public CancellationTokenSource? Sending
    {
        set => Volatile.Write(ref _sending, value);
    }

    /// <summary>Does not cancel the forwarding; null if no response is read.</summary>
    public CancellationTokenSource? Reading
    {
        set => Volatile.Write(ref _reading, value);
    }

    /// <returns>False if the load that the attempt waited for has been measured.</returns>
    public bool TryLearnLoad() => !_isLoadLearned && (_isLoadLearned = true);

    /// <summary>The findings may be changed by <see cref="StallDetector"/>'s loop only.</summary>
    public StallState ObserveStall() => Stall ??= new StallState();

    /// <summary>Called at most once, before the response has begun.</summary>
    protected abstract bool MayGiveUp(Interruption cause);

    /// <returns>False if the attempt was given up before.</returns>
    public bool TryBegin()
    {
        Timeline.AddBytes();
        return Interlocked.CompareExchange(ref _state, Begun, Waiting) != GivenUp;
    }

    /// <param name="isFinal">Whether to give up even without another attempt. Bytes that were already read are still written.</param>
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

    /// <summary>Reads the request's own state from another thread; the default if the attempt has ended.</summary>
    public T? Peek<T>(Func<StreamedAttempt, T> read)
    {
        lock (_open)
            return _isClosed ? default : read(this);
    }

    /// <summary>After this returns, no other thread reads the request's state.</summary>
    public void Close()
    {
        lock (_open)
            _isClosed = true;
    }

    public void Stay() => Cause = null;

    protected virtual void OnGivenUp(Interruption cause)
    {
    }

    protected void CancelSending()
    {
        Interlocked.CompareExchange(ref _state, GivenUp, Waiting);
        Cancel(Volatile.Read(ref _sending));
    }

    /// <summary>Claims a waiting response that can be resumed elsewhere. All received bytes have been processed, and no others will be.</summary>
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

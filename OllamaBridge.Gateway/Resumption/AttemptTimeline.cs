namespace OllamaBridge.Gateway.Resumption;

/// <summary>When an attempt was sent, and when bytes of its response arrived. All times are in <see cref="TimeProvider.GetTimestamp"/>'s ticks.</summary>
/// <remarks>Written by the reader of the response, read by <see cref="StallDetector"/>.</remarks>
internal sealed class AttemptTimeline(TimeProvider time)
{
    private const long Claimed = -1;
    private long _firstByteAt;
    private long _lastByteAt;
    private long _readingSince;

    public long SentAt { get; } = time.GetTimestamp();

    /// <summary>The time of the first bytes; 0 before.</summary>
    public long FirstByteAt => Volatile.Read(ref _firstByteAt);

    /// <summary>The time of the last bytes; 0 before.</summary>
    public long LastByteAt => Volatile.Read(ref _lastByteAt);

    /// <summary>When the current read from the instance began; 0 while the client is still receiving earlier bytes.</summary>
    public long ReadingSince => Math.Max(0, Volatile.Read(ref _readingSince));

    /// <summary>The number of messages of the response so far.</summary>
    public int Messages { get; private set; }

    /// <summary>The time of the last sign of the instance: its last bytes, or the sending if there were none.</summary>
    public long LastSignAt => Math.Max(SentAt, LastByteAt);

    public void AddMessage() => Messages++;

    public void BeginRead() => Volatile.Write(ref _readingSince, time.GetTimestamp());

    public void EndRead() => Volatile.Write(ref _readingSince, 0);

    public void AddBytes()
    {
        var now = time.GetTimestamp();
        if (_firstByteAt == 0)
            Volatile.Write(ref _firstByteAt, now);
        Volatile.Write(ref _lastByteAt, now);
    }

    /// <summary>Claims a read that has waited since <paramref name="since"/>, so that no bytes that arrive later are processed.</summary>
    /// <returns>False if bytes have arrived meanwhile.</returns>
    public bool TryClaim(long since) => Interlocked.CompareExchange(ref _readingSince, Claimed, since) == since;
}

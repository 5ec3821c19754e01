namespace OllamaBridge.Gateway.Resumption;

/// <summary>Times are <see cref="TimeProvider.GetTimestamp"/>'s ticks, written by the response's reader, read by <see cref="StallDetector"/>.</summary>
internal sealed class AttemptTimeline(TimeProvider time)
{
    private const long Claimed = -1;
    private long _firstByteAt;
    private long _lastByteAt;
    private long _readingSince;

    public long SentAt { get; } = time.GetTimestamp();

    /// <summary>0 before the first bytes.</summary>
    public long FirstByteAt => Volatile.Read(ref _firstByteAt);

    public long LastByteAt => Volatile.Read(ref _lastByteAt);

    /// <summary>The start of the current read; 0 while the client is still receiving earlier bytes.</summary>
    public long ReadingSince => Math.Max(0, Volatile.Read(ref _readingSince));

    public int Messages { get; private set; }

    /// <summary>The time of the last bytes, or of the sending if there were none.</summary>
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

    /// <summary>Claims a read, so that bytes that arrive later are not processed.</summary>
    /// <returns>False if bytes have arrived since <paramref name="since"/>.</returns>
    public bool TryClaim(long since) => Interlocked.CompareExchange(ref _readingSince, Claimed, since) == since;
}

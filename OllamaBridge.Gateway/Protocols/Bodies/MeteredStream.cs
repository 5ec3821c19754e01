namespace OllamaBridge.Gateway.Protocols.Bodies;

/// <summary>
/// A body of unknown length that takes room on disk as it grows, but not for its first <paramref name="free"/> bytes. If there is no room, a read
/// waits for it, for <paramref name="patience"/> at most.
/// </summary>
internal sealed class MeteredStream(Stream source, long free, ByteReservation disk, TimeSpan patience) : ForwardOnlyStream
{
    private const long Step = 64 * 1024;
    private long _read;

    /// <summary>Whether a read of the body itself failed.</summary>
    public bool IsBroken { get; private set; }

    /// <exception cref="NoRoomException">No room became free in time.</exception>
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (_read + buffer.Length > free + disk.Bytes && !await disk.TakeAsync(Math.Max(Step, buffer.Length), patience, cancellationToken))
            throw new NoRoomException();
        try
        {
            var read = await source.ReadAsync(buffer, cancellationToken);
            _read += read;
            return read;
        }
        catch (IOException)
        {
            IsBroken = true;
            throw;
        }
    }
}

/// <summary>No room for a body became free in time.</summary>
internal sealed class NoRoomException : Exception;

namespace OllamaBridge.Gateway.Protocols.Bodies;

/// <summary>A body of unknown length that reserves disk space as it grows, except for its first <paramref name="free"/> bytes.</summary>
internal sealed class MeteredStream(Stream source, long free, ByteReservation disk, TimeSpan patience) : ForwardOnlyStream
{
    private const long Step = 64 * 1024;
    private long _read;

    /// <summary>Whether a read of the body itself failed, not the reservation.</summary>
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

internal sealed class NoRoomException : Exception;

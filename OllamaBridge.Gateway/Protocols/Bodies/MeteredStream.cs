namespace OllamaBridge.Gateway.Protocols.Bodies;

/// <summary>A body of unknown length that takes room on disk as it grows, and is read no further while there is none.</summary>
/// <param name="source">The body.</param>
/// <param name="free">Bytes that need no room on disk.</param>
/// <param name="disk">The room that it holds.</param>
/// <param name="patience">How long to wait for room.</param>
internal sealed class MeteredStream(Stream source, long free, ByteReservation disk, TimeSpan patience) : ForwardOnlyStream
{
    private const long Step = 64 * 1024;
    private long _read;

    /// <summary>Whether the body itself could not be read.</summary>
    public bool IsBroken { get; private set; }

    /// <inheritdoc/>
    /// <exception cref="NoRoomException">There was no room in time.</exception>
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

/// <summary>A body found no room in time.</summary>
internal sealed class NoRoomException : Exception;

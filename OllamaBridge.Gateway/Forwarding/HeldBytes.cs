using System.Buffers;

namespace OllamaBridge.Gateway.Forwarding;

/// <summary>The beginning of an answer, read ahead into pooled memory.</summary>
internal sealed class HeldBytes : IDisposable
{
    private byte[]? _buffer;
    private int _start;
    private int _end;

    /// <summary>What has not been taken yet.</summary>
    public ReadOnlySpan<byte> Span => _buffer.AsSpan(_start, _end - _start);

    /// <summary>How many bytes have not been taken yet.</summary>
    public int Length => _end - _start;

    /// <summary>How many bytes of memory it takes.</summary>
    public int Capacity => _buffer?.Length ?? 0;

    /// <summary>Reads once from the source, behind what is there.</summary>
    /// <param name="source">The answer.</param>
    /// <param name="room">How many bytes there must be room for.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    /// <returns>How many bytes came; 0 at the end.</returns>
    public async ValueTask<int> ReadOnceAsync(Stream source, int room, CancellationToken cancellationToken)
    {
        Reserve(room);
        var read = await source.ReadAsync(_buffer.AsMemory(_end), cancellationToken);
        _end += read;
        return read;
    }

    /// <summary>Moves bytes out; the memory goes back when the last has gone.</summary>
    public int Take(Span<byte> target)
    {
        var count = Math.Min(target.Length, Length);
        _buffer.AsSpan(_start, count).CopyTo(target);
        _start += count;
        if (Length == 0)
            Dispose();
        return count;
    }

    /// <summary>Drops bytes at the front.</summary>
    public void Skip(int count)
    {
        _start += Math.Min(count, Length);
        if (Length == 0)
            Dispose();
    }

    /// <summary>Drops all behind the first bytes.</summary>
    /// <param name="length">How many stay.</param>
    public void Cut(int length) => _end = Math.Min(_end, _start + length);

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_buffer is not null)
            ArrayPool<byte>.Shared.Return(_buffer);
        _buffer = null;
        _start = _end = 0;
    }

    private void Reserve(int room)
    {
        if (_buffer is not null && _buffer.Length - _end >= room)
            return;
        var length = Length;
        if (_buffer is not null && _buffer.Length - length >= room)
        {
            // What has been taken makes room: else a stream whose reads never end with a message would be held whole.
            Span.CopyTo(_buffer);
        }
        else
        {
            var larger = ArrayPool<byte>.Shared.Rent(Math.Max(length + room, 2 * length));
            Span.CopyTo(larger);
            if (_buffer is not null)
                ArrayPool<byte>.Shared.Return(_buffer);
            _buffer = larger;
        }

        (_start, _end) = (0, length);
    }
}

using System.Buffers;

namespace OllamaBridge.Gateway.Protocols;

/// <summary>The beginning of a response, read ahead into pooled memory.</summary>
internal sealed class BufferedBytes : IDisposable
{
    private byte[]? _buffer;
    private int _start;
    private int _end;

    public ReadOnlySpan<byte> Span => _buffer.AsSpan(_start, _end - _start);

    public int Length => _end - _start;

    public int Capacity => _buffer?.Length ?? 0;

    public async ValueTask<int> ReadOnceAsync(Stream source, int room, CancellationToken cancellationToken)
    {
        Reserve(room);
        var read = await source.ReadAsync(_buffer.AsMemory(_end), cancellationToken);
        _end += read;
        return read;
    }

    public int Take(Span<byte> target)
    {
        var count = Math.Min(target.Length, Length);
        _buffer.AsSpan(_start, count).CopyTo(target);
        _start += count;
        if (Length == 0)
            Dispose();
        return count;
    }

    public void Skip(int count)
    {
        _start += Math.Min(count, Length);
        if (Length == 0)
            Dispose();
    }

    public void Cut(int length) => _end = Math.Min(_end, _start + length);

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
            // Reuse the space of taken bytes: else a stream whose reads never end with a message would be held completely.
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

namespace OllamaBridge.Gateway.Protocols.Bodies;

/// <summary>A spooled body with the bytes from <paramref name="start"/> to before <paramref name="end"/> replaced by <paramref name="instead"/>.</summary>
internal sealed class SpooledStream(SpooledFile file, long start, long end, ReadOnlyMemory<byte> instead) : ForwardOnlyStream
{
    private ReadOnlyMemory<byte> _instead = instead;
    private long _at;

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (buffer.IsEmpty)
            return 0;
        if (_at == start && _instead.Length > 0)
        {
            var count = Math.Min(buffer.Length, _instead.Length);
            _instead[..count].CopyTo(buffer);
            _instead = _instead[count..];
            return count;
        }

        if (_at >= start && _at < end)
            _at = end;
        var most = _at < start ? Math.Min(buffer.Length, start - _at) : buffer.Length;
        var read = await file.ReadAsync(_at, buffer[..(int)most], cancellationToken);
        _at += read;
        return read;
    }
}

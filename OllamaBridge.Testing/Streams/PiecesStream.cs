namespace OllamaBridge.Testing.Streams;

/// <summary>A stream that returns one piece per read, and ends or fails after the last one.</summary>
internal class PiecesStream(IEnumerable<byte[]> pieces, Exception? breaks = null) : Stream
{
    private readonly Queue<byte[]> _pieces = new(pieces.Where(p => p.Length > 0));

    public int ZeroByteReads { get; private set; }

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (_pieces.Count == 0 && breaks is not null)
            throw breaks;
        if (buffer.IsEmpty)
            ZeroByteReads++;
        if (buffer.IsEmpty || !_pieces.TryDequeue(out var piece))
            return new(0);
        if (piece.Length <= buffer.Length)
        {
            piece.CopyTo(buffer);
            return new(piece.Length);
        }

        piece.AsSpan(0, buffer.Length).CopyTo(buffer.Span);
        byte[][] rest = [piece[buffer.Length..], .. _pieces];
        _pieces.Clear();
        foreach (var next in rest)
            _pieces.Enqueue(next);
        return new(buffer.Length);
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}

using System.Buffers;

namespace OllamaBridge.Gateway.Protocols;

/// <summary>A request's body in pooled memory, to be read as often as it must be sent.</summary>
internal sealed class ReplayableBody : IDisposable
{
    private const int SegmentSize = 64 * 1024;
    private readonly List<(byte[] Buffer, int Length)> _segments = [];
    private ReadOnlySequence<byte> _sequence;

    private ReplayableBody()
    {
    }

    /// <summary>All bytes.</summary>
    public ReadOnlySequence<byte> Bytes => _sequence;

    /// <summary>How many bytes.</summary>
    public long Length => _sequence.Length;

    /// <summary>Reads a request's body to its end.</summary>
    /// <param name="request">The request.</param>
    /// <param name="limit">The most bytes that are read.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    /// <returns>Null where the body is longer than the limit.</returns>
    /// <exception cref="BadHttpRequestException">The client sent the body wrongly, or too slowly.</exception>
    public static async Task<ReplayableBody?> ReadAsync(HttpRequest request, long limit, CancellationToken cancellationToken)
    {
        if (request.ContentLength > limit)
            return null;
        var body = new ReplayableBody();
        try
        {
            // One byte more than announced, so that the end shows without a second buffer.
            var size = request.ContentLength is { } length ? (int)Math.Min(length + 1, SegmentSize) : SegmentSize;
            for (var total = 0L; ;)
            {
                var buffer = ArrayPool<byte>.Shared.Rent(Math.Max(size, 1));
                var filled = await FillAsync(request.Body, buffer, cancellationToken);
                body._segments.Add((buffer, filled));
                total += filled;
                if (total > limit)
                {
                    body.Dispose();
                    return null;
                }

                if (filled < buffer.Length)
                    break;
                size = SegmentSize;
            }

            body._sequence = Segment.Join(body._segments);
            return body;
        }
        catch
        {
            body.Dispose();
            throw;
        }
    }

    /// <summary>A new reading from the start.</summary>
    public Stream OpenRead() => new SequenceStream(_sequence);

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var (buffer, _) in _segments)
            ArrayPool<byte>.Shared.Return(buffer);
        _segments.Clear();
        _sequence = default;
    }

    private static async Task<int> FillAsync(Stream stream, byte[] buffer, CancellationToken cancellationToken)
    {
        var filled = 0;
        while (filled < buffer.Length)
        {
            var read = await stream.ReadAsync(buffer.AsMemory(filled), cancellationToken);
            if (read == 0)
                break;
            filled += read;
        }

        return filled;
    }

    private sealed class Segment : ReadOnlySequenceSegment<byte>
    {
        public static ReadOnlySequence<byte> Join(List<(byte[] Buffer, int Length)> parts)
        {
            if (parts.Count == 1)
                return new ReadOnlySequence<byte>(parts[0].Buffer, 0, parts[0].Length);
            Segment? first = null, last = null;
            foreach (var (buffer, length) in parts)
            {
                var next = new Segment { Memory = buffer.AsMemory(0, length), RunningIndex = last is null ? 0 : last.RunningIndex + last.Memory.Length };
                if (last is not null)
                    last.Next = next;
                first ??= next;
                last = next;
            }

            return new ReadOnlySequence<byte>(first!, 0, last!, last!.Memory.Length);
        }
    }
}

using System.Buffers;

namespace OllamaBridge.Gateway.Protocols;

/// <summary>A request's body in pooled memory, to be read as often as it must be sent.</summary>
internal sealed class ReplayableBody : IDisposable
{
    private const int SegmentSize = 64 * 1024;
    private readonly List<(byte[] Buffer, int Length)> _segments = [];
    private ReadOnlySequence<byte> _received;
    private ReadOnlySequence<byte> _sequence;
    private ReadOnlySequence<byte> _encoded;

    private ReplayableBody()
    {
    }

    /// <summary>All bytes, decoded and with replacements: what the request means.</summary>
    public ReadOnlySequence<byte> Bytes => _sequence;

    /// <summary>The bytes to send to an instance: those that the client sent if nothing was replaced in them, else <see cref="Bytes"/>.</summary>
    public ReadOnlySequence<byte> Outgoing => IsEncoded ? _encoded : _sequence;

    /// <summary>Whether the client sent it with a content encoding.</summary>
    public bool WasEncoded { get; private set; }

    /// <summary>Whether <see cref="Outgoing"/> has the client's content encoding.</summary>
    public bool IsEncoded { get; private set; }

    /// <summary>All bytes, decoded and without replacements.</summary>
    public ReadOnlySequence<byte> Received => _received;

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
            if (await body.ReadAllAsync(request.Body, size, limit, cancellationToken) is { } bytes)
            {
                body._sequence = body._received = bytes;
                return body;
            }

            body.Dispose();
            return null;
        }
        catch
        {
            body.Dispose();
            throw;
        }
    }

    /// <summary>Decodes the body, once. The bytes that were received stay what is sent until <see cref="Replace"/> is called.</summary>
    /// <param name="decoder">Makes a stream of decoded bytes out of a stream of encoded ones.</param>
    /// <param name="limit">The most decoded bytes.</param>
    /// <param name="cancellationToken">Ends the decoding.</param>
    /// <returns>False if it decodes to more than the limit.</returns>
    /// <exception cref="InvalidDataException">The bytes aren't in that encoding.</exception>
    public async Task<bool> DecodeAsync(Func<Stream, Stream> decoder, long limit, CancellationToken cancellationToken)
    {
        await using var decoded = decoder(OpenRead());
        if (await ReadAllAsync(decoded, SegmentSize, limit, cancellationToken) is not { } bytes)
            return false;
        _encoded = _received;
        _sequence = _received = bytes;
        WasEncoded = IsEncoded = true;
        return true;
    }

    /// <summary>Puts other bytes in the place of some of those that were received; what an earlier call replaced is as received again.</summary>
    /// <param name="start">Where they begin.</param>
    /// <param name="end">Where they end.</param>
    /// <param name="bytes">What to send instead. Must not change any more.</param>
    public void Replace(long start, long end, ReadOnlyMemory<byte> bytes)
    {
        var parts = new List<ReadOnlyMemory<byte>>();
        foreach (var part in _received.Slice(0, start))
            parts.Add(part);
        parts.Add(bytes);
        foreach (var part in _received.Slice(end))
            parts.Add(part);
        _sequence = Segment.Join(parts);
        IsEncoded = false;
    }

    /// <summary>A new reading from the start.</summary>
    public Stream OpenRead() => new SequenceStream(_sequence);

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var (buffer, _) in _segments)
            ArrayPool<byte>.Shared.Return(buffer);
        _segments.Clear();
        _sequence = _received = _encoded = default;
    }

    /// <returns>Null beyond the limit.</returns>
    private async Task<ReadOnlySequence<byte>?> ReadAllAsync(Stream stream, int size, long limit, CancellationToken cancellationToken)
    {
        var first = _segments.Count;
        for (var total = 0L; ;)
        {
            var buffer = ArrayPool<byte>.Shared.Rent(Math.Max(size, 1));
            _segments.Add((buffer, 0));
            var filled = await FillAsync(stream, buffer, cancellationToken);
            _segments[^1] = (buffer, filled);
            total += filled;
            if (total > limit)
                return null;
            if (filled < buffer.Length)
                return Segment.Join([.. _segments.Skip(first).Select(s => (ReadOnlyMemory<byte>)s.Buffer.AsMemory(0, s.Length))]);
            size = SegmentSize;
        }
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
        public static ReadOnlySequence<byte> Join(List<ReadOnlyMemory<byte>> parts)
        {
            if (parts.Count == 1)
                return new ReadOnlySequence<byte>(parts[0]);
            Segment? first = null, last = null;
            foreach (var part in parts)
            {
                var next = new Segment { Memory = part, RunningIndex = last is null ? 0 : last.RunningIndex + last.Memory.Length };
                if (last is not null)
                    last.Next = next;
                first ??= next;
                last = next;
            }

            return new ReadOnlySequence<byte>(first!, 0, last!, last!.Memory.Length);
        }
    }
}

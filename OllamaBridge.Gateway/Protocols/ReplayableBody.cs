using System.Buffers;
using OllamaBridge.Gateway.Protocols.Bodies;

namespace OllamaBridge.Gateway.Protocols;

/// <summary>A request's body in pooled memory or in a file, to be read as often as it must be sent.</summary>
internal sealed class ReplayableBody : IDisposable
{
    private const int SegmentSize = 64 * 1024;
    private readonly List<(byte[] Buffer, int Length)> _segments = [];
    private ReadOnlySequence<byte> _received;
    private ReadOnlySequence<byte> _sequence;
    private SpooledFile? _file;
    private (long Start, long End, ReadOnlyMemory<byte> Bytes) _replaced;

    private ReplayableBody()
    {
    }

    /// <summary>All bytes, as they are to be sent, if they are <see cref="IsInMemory">in memory</see>.</summary>
    public ReadOnlySequence<byte> Bytes => IsInMemory ? _sequence : throw new InvalidOperationException("The body is in a file.");

    /// <summary>Whether it is in memory rather than in a file.</summary>
    public bool IsInMemory => _file is null;

    /// <summary>How many bytes.</summary>
    public long Length => _file is null ? _sequence.Length : _file.Length - (_replaced.End - _replaced.Start) + _replaced.Bytes.Length;

    /// <summary>The share of a budget that it holds.</summary>
    public IDisposable? Room { get; set; }

    /// <summary>Makes one of a file, which is its own from now on.</summary>
    public static ReplayableBody Of(SpooledFile file) => new() { _file = file };

    /// <summary>Looks at all bytes, as they are to be sent. They are valid only inside <paramref name="read"/>.</summary>
    public T Read<T>(Func<ReadOnlySequence<byte>, T> read) => _file is null
        ? read(_sequence)
        : _file.Read(all => read(Segment.Join([all[..(int)_replaced.Start], _replaced.Bytes, all[(int)_replaced.End..]])));

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

            body._sequence = body._received = Segment.Join([.. body._segments.Select(s => (ReadOnlyMemory<byte>)s.Buffer.AsMemory(0, s.Length))]);
            return body;
        }
        catch
        {
            body.Dispose();
            throw;
        }
    }

    /// <summary>Puts other bytes in the place of some of those that were received; what an earlier call replaced is as received again.</summary>
    /// <param name="start">Where they begin.</param>
    /// <param name="end">Where they end.</param>
    /// <param name="bytes">What to send instead. Must not change any more.</param>
    public void Replace(long start, long end, ReadOnlyMemory<byte> bytes)
    {
        if (_file is not null)
        {
            _replaced = (start, end, bytes);
            return;
        }

        var parts = new List<ReadOnlyMemory<byte>>();
        foreach (var part in _received.Slice(0, start))
            parts.Add(part);
        parts.Add(bytes);
        foreach (var part in _received.Slice(end))
            parts.Add(part);
        _sequence = Segment.Join(parts);
    }

    /// <summary>A new reading from the start.</summary>
    public Stream OpenRead() => _file is null ? new SequenceStream(_sequence) : new SpooledStream(_file, _replaced.Start, _replaced.End, _replaced.Bytes);

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var (buffer, _) in _segments)
            ArrayPool<byte>.Shared.Return(buffer);
        _segments.Clear();
        _sequence = _received = default;
        _file?.Dispose();
        Room?.Dispose();
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
            // One segment is quicker to read than several.
            if (parts.Count > 1)
                parts.RemoveAll(p => p.IsEmpty);
            if (parts.Count == 0)
                return default;
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

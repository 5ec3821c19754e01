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
    private ReplayableBody? _encoded;
    private (long Start, long End, ReadOnlyMemory<byte> Bytes) _replaced;

    private ReplayableBody()
    {
    }

    /// <summary>All bytes, decoded and with replacements, if they are <see cref="IsInMemory">in memory</see>.</summary>
    public ReadOnlySequence<byte> Bytes => IsInMemory ? _sequence : throw new InvalidOperationException("The body is in a file.");

    /// <summary>Whether it is in memory rather than in a file.</summary>
    public bool IsInMemory => _file is null;

    /// <summary>The body to send to an instance: the one that the client sent if nothing was replaced in it, else this one.</summary>
    public ReplayableBody Outgoing => IsEncoded ? _encoded! : this;

    /// <summary>The client's content encoding; null if it sent the body without one.</summary>
    public string? ContentEncoding { get; private set; }

    /// <summary>Whether the client sent it with a content encoding.</summary>
    public bool WasEncoded => ContentEncoding is not null;

    /// <summary>Whether <see cref="Outgoing"/> has the client's content encoding.</summary>
    public bool IsEncoded { get; private set; }

    /// <summary>How many bytes.</summary>
    public long Length => _file is null ? _sequence.Length : _file.Length - (_replaced.End - _replaced.Start) + _replaced.Bytes.Length;

    /// <summary>How many bytes without replacements.</summary>
    public long ReceivedLength => _file?.Length ?? _received.Length;

    /// <summary>The share of a budget that it holds.</summary>
    public IDisposable? Room { get; set; }

    /// <summary>Makes one of a file, which is its own from now on.</summary>
    public static ReplayableBody Of(SpooledFile file) => new() { _file = file };

    /// <summary>Looks at all bytes, decoded and with replacements. They are valid only inside <paramref name="read"/>.</summary>
    public T Read<T>(Func<ReadOnlySequence<byte>, T> read) => _file is null
        ? read(_sequence)
        : _file.Read(all => read(Segment.Join([all[..(int)_replaced.Start], _replaced.Bytes, all[(int)_replaced.End..]])));

    /// <summary>Looks at all bytes, decoded and without replacements. They are valid only inside <paramref name="read"/>.</summary>
    public T ReadReceived<T>(Func<ReadOnlySequence<byte>, T> read) => _file is null ? read(_received) : _file.Read(all => read(new(all)));

    /// <summary>Makes the content of a request that the bridge sends itself, decoded and with replacements.</summary>
    public HttpContent ToContent()
    {
        // A copy of what is in memory: the answer may come, and the body go back to its pool, before all of it is written.
        if (IsInMemory)
            return new ByteArrayContent(_sequence.ToArray());
        var content = new StreamContent(OpenRead());
        content.Headers.ContentLength = Length;
        return content;
    }

    /// <summary>Reads a request's body to its end.</summary>
    /// <param name="request">The request.</param>
    /// <param name="limit">The most bytes that are read.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    /// <returns>Null where the body is longer than the limit.</returns>
    /// <exception cref="BadHttpRequestException">The client sent the body wrongly, or too slowly.</exception>
    public static Task<ReplayableBody?> ReadAsync(HttpRequest request, long limit, CancellationToken cancellationToken) =>
        ReadAsync(request.Body, request.ContentLength, limit, cancellationToken);

    /// <summary>Reads a stream to its end.</summary>
    /// <param name="stream">The stream.</param>
    /// <param name="announced">How many bytes are said to come; null if unknown.</param>
    /// <param name="limit">The most bytes that are read.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    /// <returns>Null if it is longer than the limit.</returns>
    public static async Task<ReplayableBody?> ReadAsync(Stream stream, long? announced, long limit, CancellationToken cancellationToken)
    {
        if (announced > limit)
            return null;
        var body = new ReplayableBody();
        try
        {
            // One byte more than announced, so that the end shows without a second buffer.
            var size = announced is { } length ? (int)Math.Min(length + 1, SegmentSize) : SegmentSize;
            if (await body.ReadAllAsync(stream, size, limit, cancellationToken) is { } bytes)
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

    /// <summary>Makes this the decoded form of a body, which it owns from now on. That one is sent until <see cref="Replace"/> is called.</summary>
    /// <param name="encoded">The body that the client sent.</param>
    /// <param name="encoding">Its content encoding.</param>
    public void KeepEncoded(ReplayableBody encoded, string encoding) => (_encoded, ContentEncoding, IsEncoded) = (encoded, encoding, true);

    /// <summary>Puts other bytes in the place of some of those that were received; what an earlier call replaced is as received again.</summary>
    /// <param name="start">Where they begin.</param>
    /// <param name="end">Where they end.</param>
    /// <param name="bytes">What to send instead. Must not change any more.</param>
    public void Replace(long start, long end, ReadOnlyMemory<byte> bytes)
    {
        IsEncoded = false;
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

    /// <summary>A new reading from the start, decoded and with replacements.</summary>
    public Stream OpenRead() => _file is null ? new SequenceStream(_sequence) : new SpooledStream(_file, _replaced.Start, _replaced.End, _replaced.Bytes);

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var (buffer, _) in _segments)
            ArrayPool<byte>.Shared.Return(buffer);
        _segments.Clear();
        _sequence = _received = default;
        _file?.Dispose();
        _encoded?.Dispose();
        Room?.Dispose();
    }

    /// <returns>Null beyond the limit.</returns>
    private async Task<ReadOnlySequence<byte>?> ReadAllAsync(Stream stream, int size, long limit, CancellationToken cancellationToken)
    {
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
                return Segment.Join([.. _segments.Select(s => (ReadOnlyMemory<byte>)s.Buffer.AsMemory(0, s.Length))]);
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

using System.Buffers;
using OllamaBridge.Gateway.Protocols.Bodies;

namespace OllamaBridge.Gateway.Protocols;

/// <summary>A request's body in pooled memory or in a file, which can be read as often as it must be sent.</summary>
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

    /// <summary>Decoded and with replacements.</summary>
    /// <exception cref="InvalidOperationException">The body is in a file.</exception>
    public ReadOnlySequence<byte> Bytes => IsInMemory ? _sequence : throw new InvalidOperationException("The body is in a file.");

    public bool IsInMemory => _file is null;

    /// <summary>The body to send to an instance: the encoded one that the client sent if no bytes were replaced, else this one.</summary>
    public ReplayableBody Outgoing => IsEncoded ? _encoded! : this;

    public string? ContentEncoding { get; private set; }

    public bool WasEncoded => ContentEncoding is not null;

    public bool IsEncoded { get; private set; }

    /// <summary>Decoded and with replacements.</summary>
    public long Length => _file is null ? _sequence.Length : _file.Length - (_replaced.End - _replaced.Start) + _replaced.Bytes.Length;

    /// <summary>Decoded and without replacements.</summary>
    public long ReceivedLength => _file?.Length ?? _received.Length;

    /// <summary>Returned to its budget when the body is disposed.</summary>
    public IDisposable? Room { get; set; }

    public static ReplayableBody Of(SpooledFile file) => new() { _file = file };

    /// <summary>Decoded and with replacements. The bytes are valid only inside <paramref name="read"/>.</summary>
    public T Read<T>(Func<ReadOnlySequence<byte>, T> read) => _file is null
        ? read(_sequence)
        : _file.Read(all => read(Segment.Join([all[..(int)_replaced.Start], _replaced.Bytes, all[(int)_replaced.End..]])));

    /// <summary>Decoded and without replacements. The bytes are valid only inside <paramref name="read"/>.</summary>
    public T ReadReceived<T>(Func<ReadOnlySequence<byte>, T> read) => _file is null ? read(_received) : _file.Read(all => read(new(all)));

    public HttpContent ToContent()
    {
        // A copy of the memory: the response may arrive, and the body return to its pool, before all bytes are written.
        if (IsInMemory)
            return new ByteArrayContent(_sequence.ToArray());
        var content = new StreamContent(OpenRead());
        content.Headers.ContentLength = Length;
        return content;
    }

    public static Task<ReplayableBody?> ReadAsync(HttpRequest request, long limit, CancellationToken cancellationToken) =>
        ReadAsync(request.Body, request.ContentLength, limit, cancellationToken);

    /// <returns>Null if the stream is longer than <paramref name="limit"/> bytes. <paramref name="announced"/> is null if the length is unknown.</returns>
    public static async Task<ReplayableBody?> ReadAsync(Stream stream, long? announced, long limit, CancellationToken cancellationToken)
    {
        if (announced > limit)
            return null;
        var body = new ReplayableBody();
        try
        {
            // One byte more than announced, so that the end is found without a second buffer.
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

    /// <summary>This body owns <paramref name="encoded"/>, which is sent until <see cref="Replace"/> is called.</summary>
    public void KeepEncoded(ReplayableBody encoded, string encoding) => (_encoded, ContentEncoding, IsEncoded) = (encoded, encoding, true);

    /// <summary>Replaces the received bytes from <paramref name="start"/> to before <paramref name="end"/>, and undoes earlier replacements. The bytes must not
    /// change later.</summary>
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

    public Stream OpenRead() => _file is null ? new SequenceStream(_sequence) : new SpooledStream(_file, _replaced.Start, _replaced.End, _replaced.Bytes);

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
            // A single segment is faster to read than several.
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

using System.Buffers;

namespace OllamaBridge.Gateway.Protocols;

/// <summary>Reads along with a streamed answer: is it whole, did it fail in its own words, how many tokens did it take.</summary>
/// <remarks>Lines are looked at where they lie; only a line cut by a chunk's end is copied.</remarks>
internal abstract class StreamWatcher : IDisposable
{
    // A longer line (an image in the answer) is passed on all the same; it is merely not looked into.
    private const int MaxLine = 4 * 1024 * 1024;
    private byte[]? _partial;
    private int _partialLength;
    private bool _overlong;
    private bool _blankLine = true;

    /// <summary>Whether the mark of a whole answer has passed.</summary>
    public bool IsComplete { get; protected set; }

    /// <summary>Whether the instance told of an error in the stream.</summary>
    public bool HasError { get; protected set; }

    /// <summary>Tokens of the prompt, once told.</summary>
    public long InputTokens { get; protected set; }

    /// <summary>Tokens of the answer, once told; until then the chunks that had content.</summary>
    public long OutputTokens { get; protected set; }

    /// <summary>How long the answer's tokens took, in nanoseconds, once told; 0 where it is not told.</summary>
    public long DecodeNanoseconds { get; protected set; }

    /// <summary>What must stand between the bytes that have passed and another message: nothing, unless they end in the middle of one.</summary>
    public virtual string Separator => IsMidLine ? "\n" : "";

    /// <summary>Whether the bytes that have passed end within a line.</summary>
    protected bool IsMidLine => _partialLength > 0 || _overlong;

    /// <summary>Whether the last whole line was blank; also before the first.</summary>
    protected bool IsAfterBlankLine => _blankLine;

    /// <summary>Makes the watcher for a kind of stream.</summary>
    public static StreamWatcher For(StreamEnd end) => end switch
    {
        StreamEnd.DoneMarker or StreamEnd.ResponseEvent or StreamEnd.MessageStop => new SseWatcher(end),
        _ => new NdjsonWatcher(end),
    };

    /// <summary>Looks at what passes.</summary>
    public void Observe(ReadOnlySpan<byte> chunk)
    {
        while (true)
        {
            var newline = chunk.IndexOf((byte)'\n');
            if (newline < 0)
            {
                Keep(chunk);
                return;
            }

            var line = chunk[..newline];
            chunk = chunk[(newline + 1)..];
            _blankLine = line.IsEmpty && !IsMidLine;
            if (IsMidLine)
            {
                Keep(line);
                FlushPartial();
            }
            else if (line.Length > 0)
            {
                OnLine(line);
            }
        }
    }

    /// <summary>The stream has ended: what is left is a line, too.</summary>
    public void Finish() => FlushPartial();

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_partial is not null)
            ArrayPool<byte>.Shared.Return(_partial);
        _partial = null;
        _partialLength = 0;
    }

    /// <summary>Looks at one line, without its end.</summary>
    protected abstract void OnLine(ReadOnlySpan<byte> line);

    private void Keep(ReadOnlySpan<byte> part)
    {
        if (part.IsEmpty || _overlong)
            return;
        var length = _partialLength + part.Length;
        if (length > MaxLine)
        {
            _overlong = true;
            return;
        }

        if (_partial is null || _partial.Length < length)
        {
            var larger = ArrayPool<byte>.Shared.Rent(Math.Max(length, 1024));
            _partial.AsSpan(0, _partialLength).CopyTo(larger);
            if (_partial is not null)
                ArrayPool<byte>.Shared.Return(_partial);
            _partial = larger;
        }

        part.CopyTo(_partial.AsSpan(_partialLength));
        _partialLength = length;
    }

    private void FlushPartial()
    {
        if (_partialLength > 0 && !_overlong)
            OnLine(_partial.AsSpan(0, _partialLength));
        _partialLength = 0;
        _overlong = false;
    }
}

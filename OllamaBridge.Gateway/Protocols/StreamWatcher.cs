using System.Buffers;

namespace OllamaBridge.Gateway.Protocols;

/// <summary>Reads along with a streamed answer: is it whole, did it fail in its own words, how many tokens did it take.</summary>
/// <remarks>Lines are looked at where they lie; only a line cut by a chunk's end is copied.</remarks>
internal abstract class StreamWatcher : IDisposable
{
    // Of a longer line (an image in the answer) only a condensed copy is kept.
    private const int MaxLine = 4 * 1024 * 1024;
    private byte[]? _partial;
    private int _partialLength;
    private CondensedJson? _overlong;
    private bool _blankLine = true;
    private bool _endedWithCr;
    private bool _hasStarted;

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

    /// <summary>How long the prompt's evaluation took, in nanoseconds, once told; 0 if it is not told.</summary>
    public long PrefillNanoseconds { get; protected set; }

    /// <summary>What must stand between the bytes that have passed and another message: nothing, unless they end in the middle of one.</summary>
    public virtual string Separator => IsMidLine ? "\n" : "";

    /// <summary>Whether the bytes that have passed end within a line.</summary>
    protected bool IsMidLine => _partialLength > 0 || _overlong is not null;

    /// <summary>Whether the last whole line was blank; also before the first.</summary>
    protected bool IsAfterBlankLine => _blankLine;

    /// <summary>Whether a carriage return alone ends a line, as in event streams.</summary>
    protected virtual bool EndsLineAtCr => false;

    /// <summary>Makes the watcher for a kind of stream.</summary>
    public static StreamWatcher For(StreamEnd end) => end switch
    {
        StreamEnd.DoneMarker or StreamEnd.ResponseEvent or StreamEnd.MessageStop => new SseWatcher(end),
        _ => new NdjsonWatcher(end),
    };

    /// <summary>Looks at what passes.</summary>
    public void Observe(ReadOnlySpan<byte> chunk)
    {
        while (!chunk.IsEmpty)
        {
            if (_endedWithCr)
            {
                // The line feed of a CR LF whose line has been looked at already.
                _endedWithCr = false;
                if (chunk[0] == '\n')
                {
                    chunk = chunk[1..];
                    continue;
                }
            }

            var end = EndsLineAtCr ? chunk.IndexOfAny((byte)'\n', (byte)'\r') : chunk.IndexOf((byte)'\n');
            if (end < 0)
            {
                Keep(chunk);
                return;
            }

            _endedWithCr = EndsLineAtCr && chunk[end] == '\r';
            var line = chunk[..end];
            chunk = chunk[(end + 1)..];
            _blankLine = line.IsEmpty && !IsMidLine;
            if (IsMidLine)
            {
                Keep(line);
                FlushPartial();
            }
            else
            {
                Look(line);
            }
        }
    }

    /// <summary>The stream has ended: what is left is a line, too.</summary>
    public void Finish()
    {
        FlushPartial();
        OnEnd();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_partial is not null)
            ArrayPool<byte>.Shared.Return(_partial);
        _partial = null;
        _partialLength = 0;
    }

    /// <summary>Looks at one line, without its end; not at a blank one.</summary>
    protected abstract void OnLine(ReadOnlySpan<byte> line);

    /// <summary>A blank line has passed.</summary>
    protected virtual void OnBlankLine()
    {
    }

    /// <summary>The stream has ended, and its last line has been looked at.</summary>
    protected virtual void OnEnd()
    {
    }

    private void Look(ReadOnlySpan<byte> line)
    {
        if (!_hasStarted)
        {
            _hasStarted = true;
            line = ByteOrderMark.Skip(line);
        }

        if (line.IsEmpty)
            OnBlankLine();
        else
            OnLine(line);
    }

    private void Keep(ReadOnlySpan<byte> part)
    {
        if (part.IsEmpty)
            return;
        var length = _partialLength + part.Length;
        if (_overlong is not null || length > MaxLine)
        {
            if (_overlong is null)
            {
                _overlong = new CondensedJson();
                _overlong.Append(_partial.AsSpan(0, _partialLength));
            }

            _overlong.Append(part);
            return;
        }

        if (_partial is null || _partial.Length < length)
        {
            var larger = ArrayPool<byte>.Shared.Rent(Math.Max(length, Math.Max(1024, 2 * _partialLength)));
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
        if (_overlong is { IsTooLong: false })
            Look(_overlong.Text);
        else if (_overlong is null && _partialLength > 0)
            Look(_partial.AsSpan(0, _partialLength));
        _partialLength = 0;
        _overlong = null;
    }
}

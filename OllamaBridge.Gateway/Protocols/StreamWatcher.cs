using System.Buffers;

namespace OllamaBridge.Gateway.Protocols;

/// <summary>Observes a streamed response. Lines are parsed in place; only a line that is split between chunks is copied.</summary>
internal abstract class StreamWatcher : IDisposable
{
    // Of a longer line (with an image in the response) only a condensed copy is kept.
    private const int MaxLine = 4 * 1024 * 1024;
    private byte[]? _partial;
    private int _partialLength;
    private CondensedJson? _overlong;
    private bool _blankLine = true;
    private bool _endedWithCr;
    private bool _hasStarted;

    public bool IsComplete { get; protected set; }

    public bool HasError { get; protected set; }

    public long InputTokens { get; protected set; }

    /// <summary>Tokens of the response, once reported; until then the number of chunks with content.</summary>
    public long OutputTokens { get; protected set; }

    /// <summary>In nanoseconds; 0 if not reported.</summary>
    public long DecodeNanoseconds { get; protected set; }

    /// <summary>In nanoseconds; 0 if not reported.</summary>
    public long PrefillNanoseconds { get; protected set; }

    /// <summary>The separator between the observed bytes and another message; empty unless they end inside a message.</summary>
    public virtual string Separator => IsMidLine ? "\n" : "";

    protected bool IsMidLine => _partialLength > 0 || _overlong is not null;

    protected bool IsAfterBlankLine => _blankLine;

    protected virtual bool EndsLineAtCr => false;

    public static StreamWatcher For(StreamEnd end) => end switch
    {
        StreamEnd.DoneMarker or StreamEnd.ResponseEvent or StreamEnd.MessageStop => new SseWatcher(end),
        _ => new NdjsonWatcher(end),
    };

    public void Observe(ReadOnlySpan<byte> chunk)
    {
        while (!chunk.IsEmpty)
        {
            if (_endedWithCr)
            {
                // The line feed of a CR LF whose line has been handled.
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
                Inspect(line);
            }
        }
    }

    public void Finish()
    {
        FlushPartial();
        OnEnd();
    }

    public void Dispose()
    {
        if (_partial is not null)
            ArrayPool<byte>.Shared.Return(_partial);
        _partial = null;
        _partialLength = 0;
    }

    protected abstract void OnLine(ReadOnlySpan<byte> line);

    protected virtual void OnBlankLine()
    {
    }

    protected virtual void OnEnd()
    {
    }

    private void Inspect(ReadOnlySpan<byte> line)
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
            Inspect(_overlong.Text);
        else if (_overlong is null && _partialLength > 0)
            Inspect(_partial.AsSpan(0, _partialLength));
        _partialLength = 0;
        _overlong = null;
    }
}

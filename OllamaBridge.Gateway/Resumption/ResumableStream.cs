using System.Runtime.CompilerServices;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Protocols.Answers;

namespace OllamaBridge.Gateway.Resumption;

/// <summary>Reads messages before the client receives them. A broken message or an error ends the stream (<see cref="StreamedAttempt.Interrupted"/>).</summary>
internal abstract class ResumableStream(Stream source, BufferedBytes held, ResponseReader reader, ResponseTranscript kept, StreamedAttempt attempt)
    : ForwardOnlyStream
{
    private const int ReadSize = 4 * 1024;
    // A longer message (such as an image) is passed on as it arrives and read without its long strings. Such a response cannot be resumed.
    private const int MaxMessage = 4 * 1024 * 1024;
    private CancellationTokenSource? _reading;
    private bool _sourceEnded;
    private int _passable;
    private int _closing;
    private CondensedJson? _overlong;
    private int _searched;
    private bool _finished;

    protected ResponseTranscript Kept { get; } = kept;

    protected abstract bool PassesOn { get; }

    protected virtual bool HasOutput => _passable > 0;

    private int Seen => _passable + _closing;

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (true)
        {
            // Messages that arrive together are passed on together: each read costs a write and a flush.
            _ = LookAhead();
            // A read with an empty buffer only tests whether bytes are available.
            if (HasOutput)
                return buffer.IsEmpty ? 0 : TakeOutput(buffer.Span);
            if (_finished)
                return 0;
            if (_sourceEnded)
                End(Interruption.EndedEarly);
            else if (!await ReadSourceAsync(buffer.IsEmpty, cancellationToken))
                return 0;
        }
    }

    /// <returns>False if the response is broken before any of it was passed on. Does not wait for more bytes.</returns>
    public bool LookAhead()
    {
        while (!_finished && Seen < held.Length && Look())
        {
            // Each call processes one message.
        }

        return !_finished || HasOutput;
    }

    protected virtual int TakeOutput(Span<byte> target)
    {
        var taken = held.Take(target[..Math.Min(target.Length, _passable)]);
        _passable -= taken;
        return taken;
    }

    protected virtual void OnMessage(ResponseMessage kind, ResponseMark before)
    {
    }

    /// <summary>Called if the stream ends without its terminal marker, but the response is complete.</summary>
    protected abstract void OnMarkMissing();

    protected void Reject(Interruption cause)
    {
        _finished = true;
        attempt.IsComplete = false;
        attempt.Interrupted = cause;
        held.Cut(_passable);
        _closing = 0;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            attempt.Reading = null;
            _reading?.Dispose();
            held.Dispose();
            source.Dispose();
        }

        base.Dispose(disposing);
    }

    /// <returns>False if <paramref name="onlyAsk"/> is set and bytes are available.</returns>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<bool> ReadSourceAsync(bool onlyAsk, CancellationToken cancellationToken)
    {
        // Bytes that arrived at the moment of a move may make it impossible. The response then stays on its instance, whose connection is intact.
        if (_reading is { IsCancellationRequested: true } && attempt.Cause == Interruption.Drained && !Kept.IsWhole && !cancellationToken.IsCancellationRequested)
        {
            _reading.Dispose();
            _reading = null;
            attempt.Stay();
        }

        // <see cref="StallDetector"/> cancels only the reading: bytes that were read must still be written.
        if (_reading is null)
            attempt.Reading = _reading = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        attempt.Timeline.BeginRead();
        try
        {
            if (onlyAsk)
            {
                // Hold no memory until bytes arrive.
                _ = await source.ReadAsync(Memory<byte>.Empty, _reading.Token);
                return false;
            }

            _sourceEnded = await held.ReadOnceAsync(source, ReadSize, _reading.Token) == 0;
            attempt.Timeline.AddBytes();
        }
        catch (Exception e) when (e is IOException or HttpRequestException)
        {
            End(attempt.Cause ?? Interruption.Reset);
        }
        catch (OperationCanceledException) when (!attempt.IsAbandoned)
        {
            // Cancelled by <see cref="StallDetector"/>, or by the forwarder's time-out.
            End(attempt.Cause ?? Interruption.Stalled);
        }
        finally
        {
            attempt.Timeline.EndRead();
        }

        return true;
    }

    private bool Look()
    {
        var ahead = held.Span[Seen..];
        var size = MessageSplitter.Find(ahead, reader.HasEvents, ref _searched, out var length);
        if (size < 0)
        {
            if (_overlong is null && ahead.Length < MaxMessage)
                return false;
            PassOverlong(ahead);
            Accept(ahead.Length);
            return true;
        }

        _searched = 0;
        if (_overlong is not null)
        {
            PassOverlong(ahead[..length]);
            ReadOverlong();
            Accept(size);
            return true;
        }

        if (ahead[..length].Trim(" \r\n"u8).IsEmpty)
        {
            if (_closing > 0)
                _closing += size;
            else
                Accept(size);
            return true;
        }

        var before = Kept.Mark;
        var end = Kept.End;
        var kind = reader.Read(ahead[..length]);
        if (kind is ResponseMessage.Failure or ResponseMessage.Unreadable)
        {
            Kept.Return(before);
            Kept.End = end;
            if (kind == ResponseMessage.Failure)
                attempt.ErrorLine = ahead[..length].ToArray();
            Finish(kind == ResponseMessage.Failure ? Interruption.ErrorTold : Interruption.Unreadable);
            return true;
        }

        if (kind == ResponseMessage.Closing && PassesOn)
            _closing += size;
        else
            Accept(size);
        Count(kind, before);
        return true;
    }

    private void PassOverlong(ReadOnlySpan<byte> part)
    {
        Kept.HasMore = true;
        (_overlong ??= new CondensedJson()).Append(part);
        _searched = 0;
    }

    private void ReadOverlong()
    {
        var before = Kept.Mark;
        var kind = reader.Read(_overlong!.Text);
        _overlong = null;
        if (kind is ResponseMessage.Failure or ResponseMessage.Unreadable)
            Kept.Return(before);
        else
            Count(kind, before);
    }

    private void Count(ResponseMessage kind, ResponseMark before)
    {
        attempt.Timeline.AddMessage();
        attempt.IsComplete |= kind == ResponseMessage.End;
        OnMessage(kind, before);
    }

    private void End(Interruption cause)
    {
        if (_overlong is not null)
            ReadOverlong();
        var rest = held.Span[Math.Min(Seen, held.Length)..].TrimEnd("\r\n"u8);
        // The rest of the last line ending.
        if (rest.IsEmpty && attempt.IsComplete)
            Accept(held.Length - Seen);
        if (!rest.IsEmpty && !attempt.IsComplete)
        {
            var before = Kept.Mark;
            var end = Kept.End;
            switch (reader.Read(rest))
            {
                case ResponseMessage.End:
                    Accept(held.Length - Seen);
                    Count(ResponseMessage.End, before);
                    break;
                case ResponseMessage.Failure:
                    attempt.ErrorLine = rest.ToArray();
                    cause = Interruption.ErrorTold;
                    goto default;
                default:
                    Kept.Return(before);
                    Kept.End = end;
                    break;
            }
        }

        Finish(cause);
    }

    private void Accept(int size)
    {
        if (PassesOn)
            _passable += _closing + size;
        else
            held.Skip(size);
        _closing = 0;
    }

    private void Finish(Interruption cause)
    {
        if (_finished)
            return;
        _finished = true;
        if (!attempt.IsComplete && Kept.End.Reason is not null)
        {
            // The text and the finish reason are complete. Only the terminal marker is missing.
            _passable += _closing;
            _closing = 0;
            attempt.IsComplete = true;
            OnMarkMissing();
        }

        if (!attempt.IsComplete)
            attempt.Interrupted = cause;
        // Drop an incomplete message, and an end that proved wrong.
        held.Cut(_passable);
        _closing = 0;
    }
}

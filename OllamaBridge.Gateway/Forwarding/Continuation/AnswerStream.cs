using System.Runtime.CompilerServices;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Protocols.Answers;

namespace OllamaBridge.Gateway.Forwarding.Continuation;

/// <summary>
/// An instance's stream, read message by message before the client sees any of it: a message that is broken, or tells of a failure, stays
/// here, and the stream just ends; <see cref="ForwardAttempt.Interrupted"/> says why.
/// </summary>
/// <remarks>Of what is held, the first bytes have been looked at and may go; behind them are messages that wait for the end that may follow.</remarks>
internal abstract class AnswerStream(Stream source, HeldBytes held, AnswerReader reader, KeptAnswer kept, ForwardAttempt attempt)
    : ForwardOnlyStream
{
    private const int ReadSize = 4 * 1024;
    // A longer message (an image in the answer) is passed on as it comes and read without its long strings; such an answer cannot be resumed.
    private const int MaxMessage = 4 * 1024 * 1024;
    private CancellationTokenSource? _reading;
    private bool _sourceEnded;
    private int _passable;
    private int _closing;
    private CondensedJson? _overlong;
    private int _searched;
    private bool _finished;

    /// <summary>What is kept of the answer.</summary>
    protected KeptAnswer Kept { get; } = kept;

    /// <summary>Whether messages go to the client as they are, rather than written anew.</summary>
    protected abstract bool PassesOn { get; }

    /// <summary>Whether there is something for the client.</summary>
    protected virtual bool HasOutput => _passable > 0;

    private int Seen => _passable + _closing;

    /// <inheritdoc/>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (true)
        {
            // Messages that came together go out together: each going out is a write and a flush of its own.
            _ = LookAhead();
            // An empty buffer only asks whether there is something to read.
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

    /// <summary>Looks at what has come already, without waiting for more.</summary>
    /// <returns>False where that shows the answer to be broken before the client was sent anything of it.</returns>
    public bool LookAhead()
    {
        while (!_finished && Seen < held.Length && Look())
        {
            // The next message.
        }

        return !_finished || HasOutput;
    }

    /// <summary>Moves bytes for the client out.</summary>
    protected virtual int TakeOutput(Span<byte> target)
    {
        var taken = held.Take(target[..Math.Min(target.Length, _passable)]);
        _passable -= taken;
        return taken;
    }

    /// <summary>A message has been read; not one that is broken.</summary>
    /// <param name="kind">What it is.</param>
    /// <param name="before">How far the answer had come before it.</param>
    protected virtual void OnMessage(AnswerMessage kind, AnswerMark before)
    {
    }

    /// <summary>The stream ends without its mark, but the answer is all there.</summary>
    protected abstract void OnMarkMissing();

    /// <summary>Ends the stream; the client gets nothing more of it.</summary>
    protected void Reject(Interruption cause)
    {
        _finished = true;
        attempt.IsComplete = false;
        attempt.Interrupted = cause;
        held.Cut(_passable);
        _closing = 0;
    }

    /// <inheritdoc/>
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

    /// <returns>False where only asked whether there is something, and there is.</returns>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<bool> ReadSourceAsync(bool onlyAsk, CancellationToken cancellationToken)
    {
        // What came in the very moment in which it was to be moved may be what cannot be: then it stays, and its connection was not touched.
        if (_reading is { IsCancellationRequested: true } && attempt.Cause == Interruption.Drained && !Kept.IsWhole && !cancellationToken.IsCancellationRequested)
        {
            _reading.Dispose();
            _reading = null;
            attempt.Stay();
        }

        // Whoever watches ends the reading alone: what has been read must still be written.
        if (_reading is null)
            attempt.Reading = _reading = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        attempt.NoteReading();
        try
        {
            if (onlyAsk)
            {
                // Until something comes no memory is held for it.
                _ = await source.ReadAsync(Memory<byte>.Empty, _reading.Token);
                return false;
            }

            _sourceEnded = await held.ReadOnceAsync(source, ReadSize, _reading.Token) == 0;
            attempt.NoteByte();
        }
        catch (Exception e) when (e is IOException or HttpRequestException)
        {
            End(attempt.Cause ?? Interruption.Reset);
        }
        catch (OperationCanceledException) when (!attempt.IsAbandoned)
        {
            // Whoever watches, or the forwarder's own time-out.
            End(attempt.Cause ?? Interruption.Stalled);
        }
        finally
        {
            attempt.NoteRead();
        }

        return true;
    }

    /// <summary>Looks at the next message.</summary>
    /// <returns>False where it is not complete yet.</returns>
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
        if (kind is AnswerMessage.Failure or AnswerMessage.Unreadable)
        {
            Kept.Return(before);
            Kept.End = end;
            if (kind == AnswerMessage.Failure)
                attempt.Told = ahead[..length].ToArray();
            Finish(kind == AnswerMessage.Failure ? Interruption.ErrorTold : Interruption.Unreadable);
            return true;
        }

        if (kind == AnswerMessage.Closing && PassesOn)
            _closing += size;
        else
            Accept(size);
        Count(kind, before);
        return true;
    }

    /// <summary>Part of a message that is too long to be held goes on its way; the answer cannot be resumed any more.</summary>
    private void PassOverlong(ReadOnlySpan<byte> part)
    {
        Kept.HasMore = true;
        (_overlong ??= new CondensedJson()).Append(part);
        _searched = 0;
    }

    /// <summary>The end of a long message has come: whether it ends the answer is read from what is left without its long strings.</summary>
    private void ReadOverlong()
    {
        var before = Kept.Mark;
        var kind = reader.Read(_overlong!.Text);
        _overlong = null;
        if (kind is AnswerMessage.Failure or AnswerMessage.Unreadable)
            Kept.Return(before);
        else
            Count(kind, before);
    }

    private void Count(AnswerMessage kind, AnswerMark before)
    {
        attempt.Messages++;
        attempt.IsComplete |= kind == AnswerMessage.End;
        OnMessage(kind, before);
    }

    /// <summary>No more comes from the instance: a message without its end is half a message, unless it says that the answer is whole.</summary>
    private void End(Interruption cause)
    {
        if (_overlong is not null)
            ReadOverlong();
        var rest = held.Span[Math.Min(Seen, held.Length)..].TrimEnd("\r\n"u8);
        // What is left of the last line ending.
        if (rest.IsEmpty && attempt.IsComplete)
            Accept(held.Length - Seen);
        if (!rest.IsEmpty && !attempt.IsComplete)
        {
            var before = Kept.Mark;
            var end = Kept.End;
            switch (reader.Read(rest))
            {
                case AnswerMessage.End:
                    Accept(held.Length - Seen);
                    Count(AnswerMessage.End, before);
                    break;
                case AnswerMessage.Failure:
                    attempt.Told = rest.ToArray();
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

    /// <summary>The next bytes, and those that waited before them, are the client's, or have been read.</summary>
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
            // All words are there, and why there are no more; only the mark is missing.
            _passable += _closing;
            _closing = 0;
            attempt.IsComplete = true;
            OnMarkMissing();
        }

        if (!attempt.IsComplete)
            attempt.Interrupted = cause;
        // Half a message is nobody's, nor is an end that is none.
        held.Cut(_passable);
        _closing = 0;
    }
}

using OllamaBridge.Gateway.Protocols.Answers;

namespace OllamaBridge.Gateway.Forwarding.Continuation;

/// <summary>
/// An instance's stream that writes an answer again from its beginning. It is compared with the answer that the client has; the client gets the rest, and the instance's own
/// usage. If the two differ, the stream ends as <see cref="Interruption.Diverged"/>.
/// </summary>
/// <param name="source">The instance's stream.</param>
/// <param name="held">Its bytes that have been read.</param>
/// <param name="reader">Reads it into <paramref name="again"/>.</param>
/// <param name="writer">Writes for the client.</param>
/// <param name="again">The answer as this stream writes it.</param>
/// <param name="sent">The answer as the client has it.</param>
/// <param name="attempt">The sending.</param>
internal sealed class ReplayedStream(
    Stream source, HeldBytes held, AnswerReader reader, AnswerWriter writer, KeptAnswer again, KeptAnswer sent, ForwardAttempt attempt)
    : WrittenStream(source, held, reader, writer, again, attempt)
{
    private readonly int _thinkingBefore = sent.Thinking.Length;
    private readonly int _textBefore = sent.Text.Length;

    /// <inheritdoc/>
    protected override void OnMessage(AnswerMessage kind, AnswerMark before)
    {
        if (!Kept.IsWhole || !IsSame(kind))
        {
            Reject(Interruption.Diverged);
            return;
        }

        var thinking = Next(Kept.Thinking, Math.Max(before.Thinking, _thinkingBefore));
        var text = Next(Kept.Text, Math.Max(before.Text, _textBefore));
        if (!thinking.IsEmpty || !text.IsEmpty)
        {
            Writer.WriteWords(thinking, text, Output);
            sent.Thinking.Append(thinking);
            sent.Text.Append(text);
            sent.Pieces = Math.Max(sent.Pieces + 1, Kept.Pieces);
        }

        if (kind == AnswerMessage.End)
            OnMarkMissing();
    }

    /// <inheritdoc/>
    protected override void OnMarkMissing()
    {
        sent.End = Kept.End;
        Writer.WriteEnd(Output);
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        base.Dispose(disposing);
        if (disposing)
            Kept.Dispose();
    }

    /// <summary>Whether the answer has been the same so far; at its end, and as soon as content follows thinking, all of the sent text.</summary>
    private bool IsSame(AnswerMessage kind)
    {
        var thinking = Math.Min(Kept.Thinking.Length, _thinkingBefore);
        var text = Math.Min(Kept.Text.Length, _textBefore);
        return Kept.Thinking.Span[..thinking].SequenceEqual(sent.Thinking.Span[..thinking])
            && Kept.Text.Span[..text].SequenceEqual(sent.Text.Span[..text])
            && (kind != AnswerMessage.End || (thinking == _thinkingBefore && text == _textBefore))
            && (Kept.Text.Length == 0 || Kept.Thinking.Length >= _thinkingBefore)
            && (_textBefore == 0 || Kept.Thinking.Length <= _thinkingBefore);
    }

    private static ReadOnlySpan<byte> Next(PooledText again, int sent) => again.Length > sent ? again.Span[sent..] : default;
}

using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Protocols.Answers;

namespace OllamaBridge.Gateway.Resumption;

/// <summary>Compares a repeated response with <paramref name="sent"/>, which the client has. A difference ends the stream.</summary>
internal sealed class ReplayedStream(
    Stream source, BufferedBytes held, ResponseReader reader, ResponseWriter writer, ResponseTranscript again, ResponseTranscript sent, StreamedAttempt attempt)
    : WrittenStream(source, held, reader, writer, again, attempt)
{
    private readonly int _thinkingBefore = sent.Thinking.Length;
    private readonly int _textBefore = sent.Text.Length;

    protected override void OnMessage(ResponseMessage kind, ResponseMark before)
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

        if (kind == ResponseMessage.End)
            OnMarkMissing();
    }

    protected override void OnMarkMissing()
    {
        sent.End = Kept.End;
        Writer.WriteEnd(Output);
    }

    protected override void Dispose(bool disposing)
    {
        base.Dispose(disposing);
        if (disposing)
            Kept.Dispose();
    }

    /// <summary>At the end, and as soon as content follows thinking, all of the sent text must have come.</summary>
    private bool IsSame(ResponseMessage kind)
    {
        var thinking = Math.Min(Kept.Thinking.Length, _thinkingBefore);
        var text = Math.Min(Kept.Text.Length, _textBefore);
        return Kept.Thinking.Span[..thinking].SequenceEqual(sent.Thinking.Span[..thinking])
            && Kept.Text.Span[..text].SequenceEqual(sent.Text.Span[..text])
            && (kind != ResponseMessage.End || (thinking == _thinkingBefore && text == _textBefore))
            && (Kept.Text.Length == 0 || Kept.Thinking.Length >= _thinkingBefore)
            && (_textBefore == 0 || Kept.Thinking.Length <= _thinkingBefore);
    }

    private static ReadOnlySpan<byte> Next(PooledText again, int sent) => again.Length > sent ? again.Span[sent..] : default;
}

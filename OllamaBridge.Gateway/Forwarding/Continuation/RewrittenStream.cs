using System.Buffers;
using OllamaBridge.Gateway.Protocols.Answers;

namespace OllamaBridge.Gateway.Forwarding.Continuation;

/// <summary>An instance's stream that goes on with an answer which the client has had the beginning of: written anew, in the client's protocol.</summary>
/// <param name="source">The instance's stream.</param>
/// <param name="held">What has been read of it.</param>
/// <param name="reader">Reads it.</param>
/// <param name="writer">Writes for the client.</param>
/// <param name="plan">What was asked of the instance.</param>
/// <param name="kept">What the client has been sent.</param>
/// <param name="attempt">The sending.</param>
internal sealed class RewrittenStream(
    Stream source, HeldBytes held, AnswerReader reader, AnswerWriter writer, ContinuationPlan plan, KeptAnswer kept, ForwardAttempt attempt)
    : AnswerStream(source, held, reader, kept, attempt)
{
    private readonly ArrayBufferWriter<byte> _output = new(512);
    private readonly int _tokensBefore = kept.Tokens;
    private int _taken;

    /// <inheritdoc/>
    protected override bool PassesOn => false;

    /// <inheritdoc/>
    protected override bool HasOutput => _taken < _output.WrittenCount;

    /// <inheritdoc/>
    protected override int TakeOutput(Span<byte> target)
    {
        var rest = _output.WrittenSpan[_taken..];
        var taken = Math.Min(target.Length, rest.Length);
        rest[..taken].CopyTo(target);
        _taken += taken;
        if (_taken == _output.WrittenCount)
        {
            _output.ResetWrittenCount();
            _taken = 0;
        }

        return taken;
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
            writer.Dispose();
        base.Dispose(disposing);
    }

    /// <inheritdoc/>
    protected override void OnMessage(AnswerMessage kind, AnswerMark before)
    {
        if (plan.IsOver)
            // One token was asked for to learn what the prompt took; it is none of the answer.
            Kept.Return(before);
        else if (Kept.Text.Length > before.Text || Kept.Thinking.Length > before.Thinking)
            writer.WriteWords(Kept.Thinking.Span[before.Thinking..], Kept.Text.Span[before.Text..], _output);
        if (kind == AnswerMessage.End)
            OnMarkMissing();
    }

    /// <inheritdoc/>
    protected override void OnMarkMissing()
    {
        ContinuationTotals.Complete(ref Kept.End, plan, _tokensBefore, Kept.Tokens);
        writer.WriteEnd(_output);
    }
}

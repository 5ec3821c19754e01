using OllamaBridge.Gateway.Protocols.Answers;

namespace OllamaBridge.Gateway.Forwarding.Continuation;

/// <summary>An instance's stream that goes on with an answer which the client has had the beginning of: written anew, in the client's protocol.</summary>
/// <param name="source">The instance's stream.</param>
/// <param name="held">What has been read of it.</param>
/// <param name="reader">Reads it.</param>
/// <param name="writer">Writes for the client.</param>
/// <param name="plan">What was asked of the instance.</param>
/// <param name="kept">The answer as the client has it.</param>
/// <param name="attempt">The sending.</param>
internal sealed class RewrittenStream(
    Stream source, HeldBytes held, AnswerReader reader, AnswerWriter writer, ContinuationPlan plan, KeptAnswer kept, ForwardAttempt attempt)
    : WrittenStream(source, held, reader, writer, kept, attempt)
{
    private readonly int _tokensBefore = kept.Tokens;

    /// <inheritdoc/>
    protected override void OnMessage(AnswerMessage kind, AnswerMark before)
    {
        if (!Kept.IsWhole)
        {
            // A tool's call cannot be written, and text that is not kept would be missing.
            Reject(Interruption.Diverged);
            return;
        }

        if (plan.IsOver)
            // One token was asked for to learn what the prompt took; it is none of the answer.
            Kept.Return(before);
        else if (Kept.Text.Length > before.Text || Kept.Thinking.Length > before.Thinking)
            Writer.WriteWords(Kept.Thinking.Span[before.Thinking..], Kept.Text.Span[before.Text..], Output);
        if (kind == AnswerMessage.End)
            OnMarkMissing();
    }

    /// <inheritdoc/>
    protected override void OnMarkMissing()
    {
        ContinuationTotals.Complete(ref Kept.End, plan, Kept.PromptTokens, _tokensBefore, Kept.Tokens);
        Writer.WriteEnd(Output);
    }
}

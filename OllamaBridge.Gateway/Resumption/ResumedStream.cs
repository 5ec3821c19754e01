using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Protocols.Answers;

namespace OllamaBridge.Gateway.Resumption;

/// <summary>An instance's stream that resumes a response of which the client has the beginning, written by the bridge in the client's protocol.</summary>
internal sealed class ResumedStream(
    Stream source, BufferedBytes held, ResponseReader reader, ResponseWriter writer, ResumptionPlan plan, ResponseTranscript kept, StreamedAttempt attempt)
    : WrittenStream(source, held, reader, writer, kept, attempt)
{
    private readonly int _tokensBefore = kept.Tokens;

    protected override void OnMessage(ResponseMessage kind, ResponseMark before)
    {
        if (!Kept.IsWhole)
        {
            // Tool calls cannot be written, and text that is not kept would be missing.
            Reject(Interruption.Diverged);
            return;
        }

        if (plan.IsOver)
            // One token was requested to obtain the prompt's usage. It is not part of the response.
            Kept.Return(before);
        else if (Kept.Text.Length > before.Text || Kept.Thinking.Length > before.Thinking)
            Writer.WriteWords(Kept.Thinking.Span[before.Thinking..], Kept.Text.Span[before.Text..], Output);
        if (kind == ResponseMessage.End)
            OnMarkMissing();
    }

    protected override void OnMarkMissing()
    {
        ResumptionTotals.Complete(ref Kept.End, plan, Kept.PromptTokens, _tokensBefore, Kept.Tokens);
        Writer.WriteEnd(Output);
    }
}

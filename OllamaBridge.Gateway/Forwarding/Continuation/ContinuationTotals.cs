using OllamaBridge.Gateway.Protocols.Answers;

namespace OllamaBridge.Gateway.Forwarding.Continuation;

/// <summary>What an answer took that came from several instances. Pure.</summary>
internal static class ContinuationTotals
{
    /// <summary>Makes of what the last instance told what the whole answer took.</summary>
    /// <param name="end">What it told of its part; receives the whole's.</param>
    /// <param name="plan">What it was asked.</param>
    /// <param name="promptTokens">Tokens of the prompt, if they have been counted; else they are derived.</param>
    /// <param name="before">Tokens that the client had before.</param>
    /// <param name="sent">Tokens that the client has now.</param>
    public static void Complete(ref AnswerEnd end, ContinuationPlan plan, long? promptTokens, int before, int sent)
    {
        if (end.PromptTokens is { } prompt)
            end.PromptTokens = !plan.HoldsAnswer ? prompt : promptTokens ?? Math.Max(0, prompt - before);
        end.Tokens = plan.IsOver ? before : before + (end.Tokens ?? sent - before);
        if (plan.IsOver)
            end.Reason = "length";
    }
}

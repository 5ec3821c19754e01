using OllamaBridge.Gateway.Protocols.Answers;

namespace OllamaBridge.Gateway.Resumption;

/// <summary>Computes the usage of a response that several instances wrote. Pure.</summary>
internal static class ResumptionTotals
{
    /// <param name="promptTokens">Null if not counted; then they are derived.</param>
    public static void Complete(ref ResponseEnd end, ResumptionPlan plan, long? promptTokens, int before, int sent)
    {
        if (end.PromptTokens is { } prompt)
            end.PromptTokens = !plan.HoldsAnswer ? prompt : promptTokens ?? Math.Max(0, prompt - before);
        end.Tokens = plan.IsOver ? before : before + (end.Tokens ?? sent - before);
        if (plan.IsOver)
            end.Reason = "length";
    }
}

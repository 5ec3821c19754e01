using OllamaBridge.Gateway.Protocols.Answers;

namespace OllamaBridge.Gateway.Resumption;

/// <summary>Computes the usage of a response that several instances wrote. Pure.</summary>
internal static class ResumptionTotals
{
    /// <summary>
    /// Replaces the usage of the last instance in <paramref name="end"/> by that of the whole response. <paramref name="promptTokens"/> is null if
    /// they have not been counted; then they are derived. The client had <paramref name="before"/> tokens before the resumption and has
    /// <paramref name="sent"/> now.
    /// </summary>
    public static void Complete(ref ResponseEnd end, ResumptionPlan plan, long? promptTokens, int before, int sent)
    {
        if (end.PromptTokens is { } prompt)
            end.PromptTokens = !plan.HoldsAnswer ? prompt : promptTokens ?? Math.Max(0, prompt - before);
        end.Tokens = plan.IsOver ? before : before + (end.Tokens ?? sent - before);
        if (plan.IsOver)
            end.Reason = "length";
    }
}

using OllamaBridge.Gateway.Identity;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Admission;

/// <summary>How many tokens a request is taken to need, and how many it has used. Pure.</summary>
internal static class QuotaTokens
{
    // What English text comes to with the tokenisers of today's models.
    private const int BytesPerToken = 4;
    // A picture of ordinary size in the models that Ollama runs; its base64 says nothing of its tokens.
    private const int TokensPerImage = 768;
    // Far more than any answer has, far less than what a sum of many could overflow with.
    private const long Most = 1_000_000_000_000;

    /// <summary>The prompt's tokens, guessed from its length.</summary>
    public static long Prompt(Operation operation, long bodyBytes, in RequestDemands demands)
    {
        // A recording's length says nothing of what will be written down of it.
        if (operation.Kind != OperationKind.Inference || operation.Model == ModelSource.Form)
            return 0;
        var text = Math.Max(0, bodyBytes - demands.ImageBytes);
        return (text + BytesPerToken - 1) / BytesPerToken + (long)demands.Images * TokensPerImage;
    }

    /// <summary>What to reserve: the prompt's tokens and as many of the answer as are asked for.</summary>
    /// <param name="operation">What is asked.</param>
    /// <param name="prompt">The prompt's tokens.</param>
    /// <param name="demands">What the request says.</param>
    /// <param name="assumed">The answer's tokens where it does not say. A guess must not shut out what might fit.</param>
    /// <param name="limits">The tenant's limits.</param>
    /// <param name="modelLimits">Those for the model; null for none.</param>
    public static long Reserve(
        Operation operation, long prompt, in RequestDemands demands, long assumed, UsageLimits limits, UsageLimits? modelLimits)
    {
        if (operation.Kind != OperationKind.Inference)
            return 0;
        if (operation.End == StreamEnd.None)
            return Math.Max(1, prompt);
        if (demands.Output is { } declared and >= 0)
            return Math.Max(1, prompt + Math.Min(declared, Most));
        var room = Math.Min(Tightest(limits), modelLimits is null ? long.MaxValue : Tightest(modelLimits)) - prompt;
        return Math.Max(1, prompt + Math.Clamp(assumed, 0, Math.Max(0, room)));
    }

    /// <summary>What a request has used: what its answer told; where that leaves out the prompt, the guess of it.</summary>
    public static long Used(BridgeCall call, CallOutcome outcome)
    {
        // Nobody has worked for it, or the tenant got nothing of the work.
        if (call.Operation.Kind != OperationKind.Inference || call.Attempts == 0 || outcome == CallOutcome.Rejected)
            return 0;
        if (outcome == CallOutcome.Failed && call.OutputTokens == 0)
            return call.InputTokens;
        return (call.InputTokens > 0 ? call.InputTokens : call.PromptEstimate) + call.OutputTokens;
    }

    private static long Tightest(UsageLimits limits) => Math.Min(limits.TokensPerMinute ?? long.MaxValue, limits.TokensPerDay ?? long.MaxValue);
}

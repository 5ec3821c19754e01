using OllamaBridge.Gateway.Accounting;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Quotas;

/// <summary>Estimates the tokens that a request needs, and computes the tokens that it has used. Pure.</summary>
internal static class QuotaTokens
{
    // Typical of English text with the tokenizers of current models.
    private const int BytesPerToken = 4;
    // Typical of an image of ordinary size in the models that Ollama runs; the length of its base64 text does not show its tokens.
    private const int TokensPerImage = 768;
    // Far more than any response has, and low enough that a sum of many doesn't overflow.
    private const long Most = 1_000_000_000_000;

    public static long Prompt(Operation operation, long bodyBytes, in RequestDemands demands)
    {
        // The length of an audio recording does not show the tokens of its transcript.
        if (operation.Kind != OperationKind.Inference || operation.Model == ModelSource.Form)
            return 0;
        var text = Math.Max(0, bodyBytes - demands.ImageBytes);
        return (text + BytesPerToken - 1) / BytesPerToken + (long)demands.Images * TokensPerImage;
    }

    /// <summary>If the request sets no limit, reserves <paramref name="assumed"/> response tokens, but not more than the limits allow.</summary>
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

    /// <summary>The tokens that a request has used, as the response reports them. If it does not report the prompt's tokens, the estimate counts.</summary>
    public static long Used(Operation operation, RequestResult result, long promptEstimate, RequestOutcome outcome)
    {
        // No instance has worked for the request, or the tenant got no result of the work.
        if (operation.Kind != OperationKind.Inference || result.Attempts == 0 || outcome == RequestOutcome.Rejected)
            return 0;
        if (outcome == RequestOutcome.Failed && result.OutputTokens == 0)
            return result.InputTokens;
        return (result.InputTokens > 0 ? result.InputTokens : promptEstimate) + result.OutputTokens;
    }

    private static long Tightest(UsageLimits limits) => Math.Min(limits.TokensPerMinute ?? long.MaxValue, limits.TokensPerDay ?? long.MaxValue);
}

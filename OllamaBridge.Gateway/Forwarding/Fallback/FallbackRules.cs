using OllamaBridge.Gateway.Catalog;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Fleet.Breaker;
using OllamaBridge.Gateway.Queueing;

namespace OllamaBridge.Gateway.Forwarding.Fallback;

/// <summary>A fallback for busy instances must be able to serve the request at once. Client errors never lead to one, except a too long prompt. Pure.</summary>
internal static class FallbackRules
{
    /// <summary>Texts of Ollama, llama-server (recording 07-long-prompt-chat-truncate-false), vLLM, OpenAI and SGLang.</summary>
    private static readonly byte[][] TooLong =
    [
        "exceed_context_size_error"u8.ToArray(),
        "exceeds the available context size"u8.ToArray(),
        "exceeds the context length"u8.ToArray(),
        "maximum context length"u8.ToArray(),
        "context_length_exceeded"u8.ToArray(),
        "longer than the model's context length"u8.ToArray(),
    ];

    /// <param name="model">The part of the model that the request can use; null if there is none.</param>
    /// <param name="now">In ticks of the clock.</param>
    /// <returns>Null if an instance is available, or may become free.</returns>
    public static FallbackCause? Judge(ModelView? model, IReadOnlySet<Instance>? tried, bool attemptsLeft, long now)
    {
        if (!attemptsLeft)
            return FallbackCause.Failed;
        var isBusy = false;
        if (model is not null)
            foreach (var placement in model.Usable)
                if (tried?.Contains(placement.Instance) != true && !placement.State.IsOpenAt(now))
                {
                    if (!placement.State.IsRestricted || placement.State.Guard?.ConditionAt(now) != PlacementCondition.Busy)
                        return null;
                    isBusy = true;
                }

        if (isBusy)
            return FallbackCause.Busy;
        return tried is null ? FallbackCause.Unavailable : FallbackCause.Failed;
    }

    /// <returns>Null if other models have the same obstacle: their instances are as busy, and the deadline applies to all.</returns>
    public static FallbackCause? Judge(LeaseRefusal refusal) => refusal switch
    {
        LeaseRefusal.UnknownModel or LeaseRefusal.NoneHealthy or LeaseRefusal.NotStarted or LeaseRefusal.StartRefused => FallbackCause.Unavailable,
        LeaseRefusal.AllTried => FallbackCause.Failed,
        LeaseRefusal.FallbackPreferred => FallbackCause.Busy,
        _ => null,
    };

    public static bool IsTooLong(int status, ReadOnlySpan<byte> body)
    {
        if (status is not (StatusCodes.Status400BadRequest or StatusCodes.Status413PayloadTooLarge))
            return false;
        foreach (var words in TooLong)
            if (body.IndexOf(words) >= 0)
                return true;
        return false;
    }
}

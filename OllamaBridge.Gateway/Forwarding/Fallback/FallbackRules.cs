using OllamaBridge.Gateway.Catalog;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Fleet.Breaker;
using OllamaBridge.Gateway.Queueing;

namespace OllamaBridge.Gateway.Forwarding.Fallback;

/// <summary>Decides when a fallback model is used. Pure.</summary>
/// <remarks>
/// If all of a model's instances are busy, a fallback is used only if it can serve the request at once. The client's own errors never lead to a
/// fallback, except a prompt that is too long.
/// </remarks>
internal static class FallbackRules
{
    /// <summary>
    /// Texts by which servers report that a request is longer than the model's context: Ollama and llama-server (recording
    /// 07-long-prompt-chat-truncate-false), Ollama's embeddings, vLLM, OpenAI's own code for it, SGLang.
    /// </summary>
    private static readonly byte[][] TooLong =
    [
        "exceed_context_size_error"u8.ToArray(),
        "exceeds the available context size"u8.ToArray(),
        "exceeds the context length"u8.ToArray(),
        "maximum context length"u8.ToArray(),
        "context_length_exceeded"u8.ToArray(),
        "longer than the model's context length"u8.ToArray(),
    ];

    /// <summary>Decides whether a model has no instance left for a request.</summary>
    /// <param name="model">The part of the model that the request can use; null if there is none.</param>
    /// <param name="tried">The instances that failed the request; null if there are none.</param>
    /// <param name="attemptsLeft">Whether another attempt with this model is allowed.</param>
    /// <param name="now">The time in ticks of the clock; an open circuit excludes an instance.</param>
    /// <returns>The cause for a fallback; null if an instance is available, or may become free.</returns>
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

    /// <summary>Decides whether a refused lease is a reason to use a fallback.</summary>
    /// <returns>Null if it is not: the instances of other models are as busy, and the deadline applies to all models.</returns>
    public static FallbackCause? Judge(LeaseRefusal refusal) => refusal switch
    {
        LeaseRefusal.UnknownModel or LeaseRefusal.NoneHealthy or LeaseRefusal.NotStarted or LeaseRefusal.StartRefused => FallbackCause.Unavailable,
        LeaseRefusal.AllTried => FallbackCause.Failed,
        LeaseRefusal.FallbackPreferred => FallbackCause.Busy,
        _ => null,
    };

    /// <summary>Whether an instance rejected a request because it is longer than the model's context.</summary>
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

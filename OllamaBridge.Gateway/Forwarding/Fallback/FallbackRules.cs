using OllamaBridge.Gateway.Admission;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Fleet.Breaker;
using OllamaBridge.Gateway.Naming;

namespace OllamaBridge.Gateway.Forwarding.Fallback;

/// <summary>When another model is asked in a model's place. Pure.</summary>
/// <remarks>Because all of a model's instances are busy only if another model can serve the request at once. Never for what is the client's own fault, but for a prompt that is too long.</remarks>
internal static class FallbackRules
{
    /// <summary>
    /// How servers word that a request is longer than the model's context: Ollama and llama-server (recording
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

    /// <summary>Whether there is nobody left to ask for a model.</summary>
    /// <param name="model">What of it the request can use; null for nothing.</param>
    /// <param name="tried">Instances that have failed the request; null for none.</param>
    /// <param name="attemptsLeft">Whether it may be sent once more for this model.</param>
    /// <param name="now">The time: who has just failed and is left alone cannot be asked.</param>
    /// <returns>Why not; null where somebody can be asked, or may come free.</returns>
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

    /// <summary>Whether a refusal is reason to ask another model.</summary>
    /// <returns>Null where it is not: another model's instances are as busy, and a deadline is one for all.</returns>
    public static FallbackCause? Judge(LeaseRefusal refusal) => refusal switch
    {
        LeaseRefusal.UnknownModel or LeaseRefusal.NoneHealthy or LeaseRefusal.NotStarted or LeaseRefusal.StartRefused => FallbackCause.Unavailable,
        LeaseRefusal.AllTried => FallbackCause.Failed,
        LeaseRefusal.GaveWay => FallbackCause.Busy,
        _ => null,
    };

    /// <summary>Whether an instance refuses a request because it is longer than the model's context.</summary>
    /// <param name="status">The answer's status.</param>
    /// <param name="body">The answer's body.</param>
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

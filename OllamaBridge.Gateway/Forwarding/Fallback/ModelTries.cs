using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Queueing;

namespace OllamaBridge.Gateway.Forwarding.Fallback;

/// <summary>The attempts of a request with one model.</summary>
/// <param name="sentBefore">The number of attempts with other models.</param>
internal sealed class ModelTries(int sentBefore)
{
    private HashSet<Instance>? _tried;

    /// <summary>Instances that failed the request; null if there are none.</summary>
    public HashSet<Instance>? Tried => _tried;

    /// <summary>The error response of an instance that failed the request.</summary>
    public RetainedResponse? Retained { get; set; }

    /// <summary>The last failure; null if there was no attempt.</summary>
    public InstanceFailure? LastFailure { get; set; }

    public Instance? LastInstance { get; set; }

    /// <summary>Whether an instance rejected the request because it is too long for the model.</summary>
    public bool IsTooLong { get; set; }

    /// <summary>Attempts that did not reach their instance.</summary>
    public int Unreached { get; set; }

    /// <summary>Attempts that found the queue of another bridge full. They are no failures and don't count.</summary>
    public int Full { get; set; }

    /// <summary>Retries that were taken from the retry budget.</summary>
    public int Spent { get; set; }

    /// <summary>Whether another attempt would fail, too.</summary>
    public bool FailsEverywhere { get; set; }

    /// <summary>The instance for the next attempt; null for any.</summary>
    public Instance? Preferred { get; set; }

    public bool MayBeSent(BridgeCall call, int maxAttempts) =>
        !IsTooLong && !FailsEverywhere && Sent(call) < maxAttempts && (!call.IsKnownToFail || Sent(call) == Unreached);

    /// <summary>Attempts with this model that count.</summary>
    public int Sent(BridgeCall call) => call.Attempts - sentBefore - Full;

    public void Add(Instance instance) => (_tried ??= []).Add(instance);

    /// <summary>
    /// Ends the request with an error: that of the model that was used first (<paramref name="first"/>; null if it is this one) if its attempts failed,
    /// else the reason why no instance is available (<paramref name="refusal"/>; null if an attempt failed and no other one is made).
    /// </summary>
    public Task EndAsync(HttpContext context, BridgeCall call, ModelTries? first, LeaseResult? refusal)
    {
        if (first is { Retained: not null } or { LastFailure: not null })
            return ResponseFailure.FailAsync(context, call, first.Retained, first.LastFailure ?? InstanceFailure.Broken);
        return refusal is { } result
            ? ResponseFailure.RefuseAsync(context, call, result, Retained, LastFailure)
            : ResponseFailure.FailAsync(context, call, Retained, LastFailure ?? InstanceFailure.Broken);
    }
}

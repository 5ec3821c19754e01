using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Forwarding.Faults;
using OllamaBridge.Gateway.Forwarding.Hedging;
using OllamaBridge.Gateway.Queueing;
using OllamaBridge.Gateway.Resumption;

namespace OllamaBridge.Gateway.Forwarding.Fallback;

/// <summary>The attempts of a request with one model.</summary>
internal sealed class ModelTries(ForwardedCall call, FailedAttempts faults)
{
    private readonly int _sentBefore = call.Result.Attempts;
    private HashSet<Instance>? _tried;

    public ForwardedCall Call { get; } = call;

    /// <summary>The failed attempts of the request, with all models.</summary>
    public FailedAttempts Faults { get; } = faults;

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

    public bool MayBeSent(int maxAttempts) =>
        !IsTooLong && !FailsEverywhere && Sent < maxAttempts && (!Faults.IsKnownToFail || Sent == Unreached);

    /// <summary>Attempts with this model that count.</summary>
    public int Sent => Call.Result.Attempts - _sentBefore - Full;

    public void Add(Instance instance) => (_tried ??= []).Add(instance);

    /// <summary>Adds attempts that ended without a response for the client: the error response, and the second instance of a hedged request.</summary>
    public void Add(in HedgedAttempt sent)
    {
        if (sent.Other is { } second)
            Add(second.Lease.Instance);
        Retained = sent.Attempt.Result.Retained ?? Retained;
    }

    /// <summary>
    /// Ends the request with an error: that of the model that was used first (<paramref name="first"/>; null if it is this one) if its attempts failed,
    /// else the reason why no instance is available (<paramref name="refusal"/>; null if an attempt failed and no other one is made).
    /// </summary>
    public Task EndAsync(HttpContext context, ModelTries? first, LeaseResult? refusal)
    {
        if (first is { Retained: not null } or { LastFailure: not null })
            return ResponseFailure.FailAsync(context, Call, first.Retained, first.LastFailure ?? InstanceFailure.Broken);
        return refusal is { } result
            ? ResponseFailure.RefuseAsync(context, Call, result, Retained, LastFailure)
            : ResponseFailure.FailAsync(context, Call, Retained, LastFailure ?? InstanceFailure.Broken);
    }
}

using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Forwarding.Faults;
using OllamaBridge.Gateway.Forwarding.Hedging;
using OllamaBridge.Gateway.Queueing;
using OllamaBridge.Gateway.Resumption;

namespace OllamaBridge.Gateway.Forwarding.Fallback;

internal sealed class ModelTries(ForwardedCall call, FailedAttempts faults)
{
    private readonly int _sentBefore = call.Result.Attempts;
    private HashSet<Instance>? _tried;

    public ForwardedCall Call { get; } = call;

    public FailedAttempts Faults { get; } = faults;

    public HashSet<Instance>? Tried => _tried;

    public RetainedResponse? Retained { get; set; }

    public InstanceFailure? LastFailure { get; set; }

    public Instance? LastInstance { get; set; }

    public bool IsTooLong { get; set; }

    public int Unreached { get; set; }

    /// <summary>Attempts that found the queue of another bridge full. They are no failures and don't count.</summary>
    public int Full { get; set; }

    public int Spent { get; set; }

    public bool FailsEverywhere { get; set; }

    public Instance? Preferred { get; set; }

    public bool MayBeSent(int maxAttempts) =>
        !IsTooLong && !FailsEverywhere && Sent < maxAttempts && (!Faults.IsKnownToFail || Sent == Unreached);

    public int Sent => Call.Result.Attempts - _sentBefore - Full;

    public void Add(Instance instance) => (_tried ??= []).Add(instance);

    public void Add(in HedgedAttempt sent)
    {
        if (sent.Other is { } second)
            Add(second.Lease.Instance);
        Retained = sent.Attempt.Result.Retained ?? Retained;
    }

    /// <summary>The error is that of <paramref name="first"/>, the model that was used first (null if it is this one), if its attempts failed.</summary>
    public Task EndAsync(HttpContext context, ModelTries? first, LeaseResult? refusal)
    {
        if (first is { Retained: not null } or { LastFailure: not null })
            return ResponseFailure.FailAsync(context, Call, first.Retained, first.LastFailure ?? InstanceFailure.Broken);
        return refusal is { } result
            ? ResponseFailure.RefuseAsync(context, Call, result, Retained, LastFailure)
            : ResponseFailure.FailAsync(context, Call, Retained, LastFailure ?? InstanceFailure.Broken);
    }
}

using OllamaBridge.Gateway.Admission;
using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Forwarding.Fallback;

/// <summary>What has become of a request with one model so far.</summary>
/// <param name="sentBefore">How often it was sent for other models.</param>
internal sealed class ModelTries(int sentBefore)
{
    private HashSet<Instance>? _tried;

    /// <summary>Instances that failed it; null for none.</summary>
    public HashSet<Instance>? Tried => _tried;

    /// <summary>What an instance said when it failed.</summary>
    public RetainedAnswer? Retained { get; set; }

    /// <summary>How the last instance failed; null where none was asked.</summary>
    public InstanceFailure? LastFailure { get; set; }

    /// <summary>The last instance that failed it; null for none.</summary>
    public Instance? LastInstance { get; set; }

    /// <summary>Whether an instance has found it too long for the model.</summary>
    public bool IsTooLong { get; set; }

    /// <summary>How often an instance could not be reached.</summary>
    public int Unreached { get; set; }

    /// <summary>How often a bridge behind this one had a full queue. That is no failure, and no attempt that counts.</summary>
    public int Full { get; set; }

    /// <summary>How many retries it took out of the budget.</summary>
    public int Spent { get; set; }

    /// <summary>Whether another attempt would fail, too.</summary>
    public bool FailsEverywhere { get; set; }

    /// <summary>The instance that the next attempt is for; null for any.</summary>
    public Instance? Preferred { get; set; }

    /// <summary>Whether it may be sent once more for this model.</summary>
    public bool MayBeSent(BridgeCall call, int maxAttempts) =>
        !IsTooLong && !FailsEverywhere && Sent(call) < maxAttempts && (!call.IsKnownToFail || Sent(call) == Unreached);

    /// <summary>How often it was sent for this model.</summary>
    public int Sent(BridgeCall call) => call.Attempts - sentBefore - Full;

    /// <summary>An instance failed it.</summary>
    public void Add(Instance instance) => (_tried ??= []).Add(instance);

    /// <summary>Tells the client that nobody answers: in the words of who was asked first, where somebody was, else why nobody can be.</summary>
    /// <param name="context">The request.</param>
    /// <param name="call">What is known of it.</param>
    /// <param name="first">What became of it with the model that was asked first; null where that is this one.</param>
    /// <param name="refusal">Why there is no instance; null where one has failed, and no other is asked.</param>
    public Task EndAsync(HttpContext context, BridgeCall call, ModelTries? first, LeaseResult? refusal)
    {
        if (first is { Retained: not null } or { LastFailure: not null })
            return AnswerFailure.FailAsync(context, call, first.Retained, first.LastFailure ?? InstanceFailure.Broken);
        return refusal is { } result
            ? AnswerFailure.RefuseAsync(context, call, result, Retained, LastFailure)
            : AnswerFailure.FailAsync(context, call, Retained, LastFailure ?? InstanceFailure.Broken);
    }
}

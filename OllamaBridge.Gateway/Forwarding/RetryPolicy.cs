using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Forwarding.Fallback;
using OllamaBridge.Gateway.Forwarding.Faults;

namespace OllamaBridge.Gateway.Forwarding;

/// <summary>Decides after a failed attempt whether the request is sent again, and where.</summary>
internal sealed class RetryPolicy(
    RetryBudget budget, PlacementOutcomes outcomes, IFleet fleet, ForwardingMetrics metrics, IOptions<ForwardingOptions> options, ILogger<RetryPolicy> logger)
{
    public int MaxAttempts => options.Value.MaxAttempts;

    public RetryBudget Budget => budget;

    /// <returns>False if no other instance can continue the stream of progress after the lines that the client has received.</returns>
    public bool TryRepeat(ForwardAttempt attempt, ModelTries tries)
    {
        var call = attempt.Call;
        tries.LastFailure = InstanceFailure.Broken;
        attempt.Faults.Add(attempt, InstanceFailure.Broken);
        tries.Add(attempt.Lease.Instance);
        var next = call.Target.ChooseNext!(tries.Tried!);
        var again = next is not null && tries.MayBeSent(MaxAttempts);
        LogFailure(attempt, InstanceFailure.Broken, again);
        if (!again)
            return false;
        call.Pinned = next;
        metrics.RecordRetry(InstanceFailure.Broken);
        return true;
    }

    /// <summary>The request keeps its place in the queue while the other bridge has a full queue. The instance gets no requests for that time.</summary>
    public void WaitForRoom(ForwardAttempt attempt, TimeSpan busyFor, ModelTries tries)
    {
        outcomes.Busy(attempt.Lease, busyFor);
        tries.Full++;
        tries.LastFailure = InstanceFailure.ServerError;
    }

    /// <param name="attempt">The failed attempt, of which the client received nothing.</param>
    public bool TryAgain(HttpContext context, ForwardAttempt attempt, InstanceFailure failure, ModelTries tries, bool mayRetry)
    {
        var (call, instance) = (attempt.Call, attempt.Lease.Instance);
        tries.LastFailure = failure;
        tries.LastInstance = instance;
        attempt.Faults.Add(attempt, failure);
        // An unreachable instance received nothing of the request, not even of an unbuffered body. The next attempt has the same chance, so it costs
        // no retry.
        var isFree = failure == InstanceFailure.Refused;
        tries.Unreached += isFree ? 1 : 0;
        var again = !context.Response.HasStarted && (isFree ? mayRetry : attempt.TakeRetry());
        tries.Spent += again && !isFree ? 1 : 0;
        if (again && !isFree && (attempt.Faults.IsKnownToFail || attempt.Faults.FailsEverywhere))
        {
            // The fault is the request's. Another model may serve it. The retries that it used go back to the budget for other requests.
            tries.FailsEverywhere = true;
            again = call.Model.Alternatives is { HasNext: true };
            budget.Return(again ? tries.Spent - 1 : tries.Spent);
        }

        LogFailure(attempt, failure, again);
        if (!again)
            return false;
        metrics.RecordRetry(failure);
        tries.Add(instance);
        if (call.Target.ChooseNext is { } choose)
            call.Pinned = choose(tries.Tried!) ?? call.Pinned;
        tries.Preferred = failure == InstanceFailure.OutOfMemory
            ? MemoryChoice.Choose(fleet.Current.For(call.Tenant.Instances).Find(call.Model.Key, call.Model.Part), tries.Tried!)
            : null;
        return true;
    }

    private void LogFailure(ForwardAttempt attempt, InstanceFailure failure, bool again)
    {
        var (operation, instance) = (attempt.Call.Operation.Name, attempt.Lease.Instance.Name);
        if (attempt.Withdrawn is not null)
            ForwardingLog.Taken(logger, operation, instance, failure);
        else
            ForwardingLog.AttemptFailed(logger, operation, instance, failure, attempt.Call.Result.Attempts, again ? "retrying" : "giving up");
    }
}

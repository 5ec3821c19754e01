using OllamaBridge.Gateway.Accounting;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Telemetry;

namespace OllamaBridge.Gateway.Forwarding;

/// <summary>Records the outcome of an attempt that ended its request: in the request's result, the fleet's state and the tenant's charge.</summary>
internal sealed class AttemptSettlement(PlacementOutcomes outcomes, IFleet fleet, ForwardingMetrics metrics, ILogger<AttemptSettlement> logger)
{
    /// <summary>Must be called before the slot is released. An interrupted request stays open for its resumption.</summary>
    public void Settle(ForwardAttempt attempt, AttemptOutcome outcome)
    {
        var call = attempt.Call;
        call.Result.AnsweredBy = attempt.Lease.Instance;
        CopyTokens(attempt);
        switch (outcome)
        {
            case AttemptOutcome.Interrupted:
                return;
            case AttemptOutcome.Abandoned:
                call.Result.Outcome = RequestOutcome.Cancelled;
                break;
            case AttemptOutcome.TransferFailed:
                call.Result.Outcome = RequestOutcome.Failed;
                attempt.Faults.Add(attempt, InstanceFailure.ServerError);
                break;
            case AttemptOutcome.Truncated { Failure: var failure }:
                call.Result.Outcome = RequestOutcome.Truncated;
                attempt.Faults.Add(attempt, failure);
                ForwardingLog.Truncated(logger, call.Operation.Name, attempt.Lease.Instance.Name);
                break;
            case AttemptOutcome.ErrorDelivered { Failure: var failure }:
                attempt.Faults.Add(attempt, failure);
                break;
            case AttemptOutcome.Rejected:
                // The fault is the request's: it is no evidence about the instance.
                attempt.Lease.Answered = true;
                break;
            case AttemptOutcome.Completed:
                Complete(attempt);
                break;
            default:
                throw new ArgumentException($"{outcome.GetType().Name} does not end a request", nameof(outcome));
        }

        if (MemoryChanges.MayHaveChanged(attempt))
            fleet.RequestProbe(attempt.Lease.Instance);
        // Before the slot is released: the charge decides which request is next.
        call.SettleCharge();
    }

    private void Complete(ForwardAttempt attempt)
    {
        var call = attempt.Call;
        attempt.Lease.Answered = true;
        var decoding = attempt.DecodeTime();
        outcomes.Succeeded(attempt.Lease, call.Result.OutputTokens, decoding);
        PlacementOutcomes.Prefilled(attempt);
        if (call.Operation.Kind == OperationKind.Inference)
            metrics.RecordDecoding(Labels.OfGenAi(call.Operation), call.Model.Key, call.Result.OutputTokens, decoding);
    }

    private static void CopyTokens(ForwardAttempt attempt)
    {
        if (attempt.Watcher is not { } watcher)
        {
            attempt.Call.SettleTranscript();
            return;
        }

        attempt.Call.Result.InputTokens = watcher.InputTokens;
        attempt.Call.Result.OutputTokens = watcher.OutputTokens;
    }
}

using OllamaBridge.Gateway.Accounting;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Forwarding.Fallback;
using OllamaBridge.Gateway.Forwarding.Faults;
using OllamaBridge.Gateway.Forwarding.Hedging;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Queueing;
using OllamaBridge.Gateway.Resumption;

namespace OllamaBridge.Gateway.Forwarding;

/// <summary>Sends a request to one instance after another until one responds, within the retry budget; then with fallback models.</summary>
internal sealed class AttemptLoop(
    LeaseAcquirer leases, Hedger hedger, ModelFallback fallback, RetryPolicy retries, FewerLayers fewerLayers, AttemptSettlement settlement)
{
    /// <returns>The attempt whose response broke off and can be resumed; null if the request is finished.</returns>
    public async Task<ForwardAttempt?> RunAsync(HttpContext context, ForwardedCall call, FailedAttempts faults)
    {
        var tries = new ModelTries(call, faults);
        ModelTries? first = null;
        while (true)
        {
            if (fallback.Judge(tries, retries.MaxAttempts) is { } cause && await fallback.TryMoveAsync(context, call, cause))
                (first, tries) = (first ?? tries, Restart(call, faults));
            LeaseResult? result = tries.MayBeSent(retries.MaxAttempts) ? await AcquireAsync(tries, context.RequestAborted) : null;
            if (result?.Lease is not { } lease)
            {
                if (result is { } refused && FallbackRules.Judge(refused.Refusal) is { } reason && await fallback.TryMoveAsync(context, call, reason))
                    (first, tries) = (first ?? tries, Restart(call, faults));
                else if (tries is { LastFailure: InstanceFailure.OutOfMemory, LastInstance: { } last }
                    && await fewerLayers.TryApplyAsync(call, faults, last, context.RequestAborted))
                    tries = Restart(call, faults);
                // Another request took the slot: wait again.
                else if (result is not { Refusal: LeaseRefusal.FallbackPreferred })
                {
                    await EndAsync(context, tries, first, result);
                    return null;
                }

                continue;
            }

            using (lease)
            {
                var mayRetry = tries.Sent + 1 < retries.MaxAttempts || call.Model.Alternatives is { HasNext: true };
                using var sent = await hedger.SendAsync(context, tries, lease, mayRetry && call.IsReplayable(context.Request.Method) ? retries.Budget : null);
                var attempt = sent.Attempt;
                switch (AttemptOutcome.Of(attempt))
                {
                    case AttemptOutcome.CutOff when retries.TryRepeat(attempt, tries):
                        break;
                    case AttemptOutcome.CutOff:
                        await EndCutOffAsync(context, attempt);
                        return null;
                    case AttemptOutcome.InvalidBody { Status: var status }:
                        await BodyFault.WriteAsync(context, call.Operation.Protocol, status);
                        return null;
                    case AttemptOutcome.QueueFull { BusyFor: var busyFor }:
                        tries.Add(sent);
                        retries.WaitForRoom(attempt, busyFor, tries);
                        break;
                    case AttemptOutcome.TooLong:
                        tries.Add(sent);
                        // The fault is the request's: it is no evidence about the instance.
                        tries.IsTooLong = lease.Answered = true;
                        break;
                    case AttemptOutcome.Failed { Failure: var failure }:
                        tries.Add(sent);
                        if (retries.TryAgain(context, attempt, failure, tries, mayRetry))
                            break;
                        if (failure == InstanceFailure.OutOfMemory && !context.Response.HasStarted
                            && await fewerLayers.TryApplyAsync(call, faults, lease.Instance, context.RequestAborted))
                        {
                            tries = Restart(call, faults);
                            break;
                        }

                        await EndAsync(context, tries, first, null);
                        return null;
                    case var ended:
                        settlement.Settle(attempt, ended);
                        return ended is AttemptOutcome.Interrupted && !attempt.IsAbandoned ? attempt : null;
                }

                RestartableResponse.Renew(context);
            }
        }
    }

    private ValueTask<LeaseResult> AcquireAsync(ModelTries tries, CancellationToken gone)
    {
        // A new connection that breaks usually belongs to a server that has just died and will refuse connections. Once per request, that counts as refused.
        var broke = tries is { LastFailure: InstanceFailure.Broken, Retained: null } && tries.Sent == tries.Tried?.Count;
        // A retried request keeps its place in the queue.
        return leases.AcquireAsync(
            tries.Call, tries.Tried ?? (tries.Full > 0 ? [] : null), broke ? InstanceFailure.Refused : tries.LastFailure, gone, tries.Preferred, fallback.AllowFallback(tries.Call));
    }

    private static ModelTries Restart(ForwardedCall call, FailedAttempts faults)
    {
        faults.Restart();
        return new ModelTries(call, faults);
    }

    private static async Task EndAsync(HttpContext context, ModelTries tries, ModelTries? first, LeaseResult? refusal)
    {
        if (context.Features.Get<Heartbeat>() is { } heartbeat)
            await heartbeat.DisposeAsync();
        await tries.EndAsync(context, first, refusal);
    }

    private static async Task EndCutOffAsync(HttpContext context, ForwardAttempt attempt)
    {
        var call = attempt.Call;
        call.Result.AnsweredBy = attempt.Lease.Instance;
        call.Result.Outcome = RequestOutcome.Truncated;
        RestartableResponse.Renew(context);
        await ResponseFailure.EndAsync(
            context,
            call,
            ProtocolError.StreamTail(call.Operation.End, "the instance's response broke off; the response so far is incomplete"),
            StatusCodes.Status502BadGateway);
    }
}

using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Forwarding;
using OllamaBridge.Gateway.Forwarding.Fallback;
using OllamaBridge.Gateway.Forwarding.Faults;
using OllamaBridge.Gateway.Forwarding.Hedging;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Queueing;
using OllamaBridge.Gateway.Resumption;
using OllamaBridge.Gateway.Telemetry;

namespace OllamaBridge.Gateway.Pipeline;

/// <summary>Schedules and sends a request: to one instance after another until one responds, within the retry budget.</summary>
internal sealed class ForwardingStage(
    AttemptSender sender,
    Hedger hedger,
    ModelFallback fallback,
    StreamResumer continuer,
    RequestQueue queue,
    RetryBudget budget,
    PlacementOutcomes outcomes,
    RepeatedFailures repeated,
    FewerLayers fewerLayers,
    IFleet fleet,
    BridgeMetrics metrics,
    IOptions<ForwardingOptions> options,
    IOptions<QueueOptions> queueOptions,
    TimeProvider time,
    ILogger<ForwardingStage> logger)
{
    private int MaxAttempts => options.Value.MaxAttempts;

    public async Task HandleAsync(HttpContext context, BridgeCall call)
    {
        var urgency = RequestPriority.Read(context.Request.Headers, call.Tenant);
        if (urgency.Fault is { } fault)
        {
            await ProtocolError.WriteAsync(context, call.Operation.Protocol, StatusCodes.Status400BadRequest, fault);
            return;
        }

        call.Priority = urgency.Priority;
        if (urgency.Deadline is { } deadline)
            call.Deadline = call.StartedAt + Math.Max(1, (long)(deadline.TotalSeconds * time.TimestampFrequency));
        call.WaitsForRoomUntil = call.StartedAt + (long)(queueOptions.Value.MaxWait.TotalSeconds * time.TimestampFrequency);
        budget.Deposit();
        call.IsKnownToFail = repeated.IsKnown(call);
        try
        {
            if (call.IsRepeatable)
            {
                using var repeatable = RestartableResponse.For(context);
                await AnswerAsync(context, call);
                return;
            }

            if (!Heartbeat.IsWanted(context, call))
            {
                await AnswerAsync(context, call);
                return;
            }

            using var response = RestartableResponse.For(context);
            call.Ticket = new QueueTicket();
            await using var heartbeat = call.Heartbeat = Heartbeat.Start(context, call, queue, queueOptions.Value.ProgressInterval, time);
            await AnswerAsync(context, call);
        }
        finally
        {
            call.Failures?.End();
            call.Kept?.Dispose();
        }
    }

    private async Task AnswerAsync(HttpContext context, BridgeCall call)
    {
        if (await BeginAsync(context, call) is { } broken
            && await continuer.ContinueAsync(context, call, broken) is { } whole)
            call.AnsweredBy = whole.Lease.Instance;
        if (context.RequestAborted.IsCancellationRequested && call.Outcome is null && call.Continued is not null && call.Kept is { End.Reason: null })
            call.Outcome = RequestOutcome.Cancelled;
    }

    /// <returns>The attempt whose response broke off and can be resumed; null if the request is finished.</returns>
    private async Task<ForwardAttempt?> BeginAsync(HttpContext context, BridgeCall call)
    {
        var gone = context.RequestAborted;
        var tries = new ModelTries(call.Attempts);
        ModelTries? first = null;
        while (true)
        {
            if (fallback.Judge(call, tries, MaxAttempts) is { } cause && await fallback.TryMoveAsync(context, call, cause))
                (first, tries) = (first ?? tries, Begin(call));
            LeaseResult? result = tries.MayBeSent(call, MaxAttempts) ? await AcquireAsync(call, tries, gone) : null;
            if (result?.Lease is not { } lease)
            {
                if (result is { } refused && FallbackRules.Judge(refused.Refusal) is { } reason && await fallback.TryMoveAsync(context, call, reason))
                {
                    (first, tries) = (first ?? tries, Begin(call));
                    continue;
                }

                if (tries is { LastFailure: InstanceFailure.OutOfMemory, LastInstance: { } last } && await fewerLayers.TryApplyAsync(call, last, gone))
                {
                    call.Failures?.End();
                    tries = Begin(call);
                    continue;
                }

                // Another request took the slot: wait again.
                if (result is { Refusal: LeaseRefusal.GaveWay })
                    continue;

                await StopHeartbeatAsync(call);
                await tries.EndAsync(context, call, first, result);
                return null;
            }

            using (lease)
            {
                // A body that is not buffered can be sent only once.
                var replayable = call.Body is not null || !call.Operation.UnbufferedBody || HttpMethods.IsHead(context.Request.Method);
                var mayBeAgain = tries.Sent(call) + 1 < MaxAttempts || call.Alternatives is { HasNext: true };
                using var sent = await hedger.SendAsync(
                    context, call, lease, replayable && mayBeAgain ? budget : null, tries.Tried, other => NoteFailure(other.Failure!.Value, other));
                var attempt = sent.Attempt;
                if (attempt.IsCutOff && !gone.IsCancellationRequested)
                {
                    if (TryRepeat(call, tries, attempt))
                    {
                        RestartableResponse.Renew(context);
                        continue;
                    }

                    await EndCutOffAsync(context, call, attempt);
                    return null;
                }

                if (attempt.Delivered || gone.IsCancellationRequested)
                {
                    Settle(call, attempt, gone);
                    return attempt.Interrupted is null || gone.IsCancellationRequested ? null : attempt;
                }

                if (attempt.BodyFault is not 0 and var status)
                {
                    await BodyFault.WriteAsync(context, call.Operation.Protocol, status);
                    return null;
                }

                if (sent.Other is { } second)
                    tries.Add(second.Lease.Instance);
                tries.Retained = attempt.Retained ?? tries.Retained;
                if (attempt is { WaitsForRoom: true, BusyFor: { } busyFor })
                {
                    // The instance gets no requests for that time. This request keeps its place in the queue.
                    outcomes.Busy(lease, busyFor);
                    tries.Full++;
                    tries.LastFailure = InstanceFailure.ServerError;
                    RestartableResponse.Renew(context);
                    continue;
                }

                if (attempt.IsTooLong)
                    // The fault is the request's: it is no evidence about the instance.
                    tries.IsTooLong = lease.Answered = true;
                else if (!TryAgain(context, call, tries, attempt, mayBeAgain))
                {
                    if (tries.LastFailure == InstanceFailure.OutOfMemory && !context.Response.HasStarted
                        && await fewerLayers.TryApplyAsync(call, lease.Instance, gone))
                    {
                        // The changed request is a different one: its result is no evidence about the failed request.
                        call.Failures?.End();
                        tries = Begin(call);
                        RestartableResponse.Renew(context);
                        continue;
                    }

                    await StopHeartbeatAsync(call);
                    await tries.EndAsync(context, call, first, null);
                    return null;
                }

                RestartableResponse.Renew(context);
            }
        }
    }

    private ValueTask<LeaseResult> AcquireAsync(BridgeCall call, ModelTries tries, CancellationToken gone)
    {
        // A new connection that breaks usually belongs to a server that has just died and will refuse connections. Once per request, that counts as refused.
        var broke = tries is { LastFailure: InstanceFailure.Broken, Retained: null } && tries.Sent(call) == tries.Tried?.Count;
        // A retried request keeps its place in the queue.
        return sender.AcquireAsync(call, tries.Tried ?? (tries.Full > 0 ? [] : null), broke ? InstanceFailure.Refused : tries.LastFailure, gone, tries.Preferred, fallback.GiveWay(call));
    }

    /// <summary>Repeats a stream of progress that broke off on another instance, which continues after the lines that the client has received.</summary>
    /// <returns>False if no other instance can.</returns>
    private bool TryRepeat(BridgeCall call, ModelTries tries, ForwardAttempt attempt)
    {
        tries.LastFailure = InstanceFailure.Broken;
        NoteFailure(InstanceFailure.Broken, attempt);
        tries.Add(attempt.Lease.Instance);
        var next = call.ChooseNext!(tries.Tried!);
        var again = next is not null && tries.MayBeSent(call, MaxAttempts);
        ForwardingLog.AttemptFailed(
            logger, call.Operation.Name, attempt.Lease.Instance.Name, InstanceFailure.Broken, call.Attempts, again ? "retrying" : "giving up");
        if (!again)
            return false;
        call.Pinned = next;
        metrics.RecordRetry(InstanceFailure.Broken);
        return true;
    }

    private static async Task EndCutOffAsync(HttpContext context, BridgeCall call, ForwardAttempt attempt)
    {
        call.AnsweredBy = attempt.Lease.Instance;
        call.Outcome = RequestOutcome.Truncated;
        RestartableResponse.Renew(context);
        await ResponseFailure.EndAsync(
            context,
            call,
            ProtocolError.StreamTail(call.Operation.End, "the instance's response broke off; the response so far is incomplete"),
            StatusCodes.Status502BadGateway);
    }

    private ModelTries Begin(BridgeCall call)
    {
        call.IsKnownToFail = !call.HasFewerLayers && repeated.IsKnown(call);
        return new ModelTries(call.Attempts);
    }

    /// <returns>Whether the request may be sent again.</returns>
    private bool TryAgain(HttpContext context, BridgeCall call, ModelTries tries, ForwardAttempt attempt, bool mayBeAgain)
    {
        var instance = attempt.Lease.Instance;
        var failure = attempt.Failure ?? InstanceFailure.Broken;
        tries.LastFailure = failure;
        tries.LastInstance = instance;
        NoteFailure(failure, attempt);
        if (failure == InstanceFailure.Refused)
            tries.Unreached++;
        // An unreachable instance received nothing of the request, not even of an unbuffered body. The next attempt has the same chance, so it costs
        // no retry.
        var isFree = failure == InstanceFailure.Refused;
        var again = !context.Response.HasStarted && (isFree ? mayBeAgain : attempt.TakeRetry());
        tries.Spent += again && !isFree ? 1 : 0;
        if (again && !isFree && (call.IsKnownToFail || call.Failures is { FailsEverywhere: true }))
        {
            // The fault is the request's. Another model may serve it. The retries that it used go back to the budget for other requests.
            tries.FailsEverywhere = true;
            again = call.Alternatives is { HasNext: true };
            budget.Return(again ? tries.Spent - 1 : tries.Spent);
        }

        if (attempt.Taken is not null)
            ForwardingLog.Taken(logger, call.Operation.Name, instance.Name, failure);
        else
            ForwardingLog.AttemptFailed(logger, call.Operation.Name, instance.Name, failure, call.Attempts, again ? "retrying" : "giving up");
        if (!again)
            return false;
        metrics.RecordRetry(failure);
        tries.Add(instance);
        if (call.ChooseNext is { } choose)
            call.Pinned = choose(tries.Tried!) ?? call.Pinned;
        tries.Preferred = failure == InstanceFailure.OutOfMemory
            ? MemoryChoice.Choose(fleet.Current.For(call.Tenant.Instances).Find(call.ModelKey, call.Part), tries.Tried!)
            : null;
        return true;
    }

    private static ValueTask StopHeartbeatAsync(BridgeCall call) => call.Heartbeat?.DisposeAsync() ?? ValueTask.CompletedTask;

    private void NoteFailure(InstanceFailure failure, ForwardAttempt attempt)
    {
        attempt.Call.IsRequestFault |= FaultClassifier.IsRequestFault(failure, attempt.Status, attempt.Call.Facts.HasInvalidValue);
        (attempt.Call.Failures ??= new FailedAttempts(attempt.Call, outcomes, repeated)).Add(attempt, failure);
    }

    private void Settle(BridgeCall call, ForwardAttempt attempt, CancellationToken gone)
    {
        call.AnsweredBy = attempt.Lease.Instance;
        if (attempt.Watcher is { } watcher)
        {
            call.InputTokens = watcher.InputTokens;
            call.OutputTokens = watcher.OutputTokens;
        }
        else
        {
            call.SettleKept();
        }

        if (gone.IsCancellationRequested && attempt.Watcher is not { IsComplete: true } && !attempt.IsComplete)
        {
            call.Outcome = RequestOutcome.Cancelled;
        }
        else if (attempt.Interrupted is not null)
        {
            // A resumption follows.
            return;
        }
        else if (call.Operation.Kind == OperationKind.Management && attempt is { Truncated: false, Watcher.HasError: true })
        {
            // The stream is complete, and reports that the transfer failed.
            call.Outcome = RequestOutcome.Failed;
            NoteFailure(InstanceFailure.ServerError, attempt);
        }
        else if (attempt.Truncated || attempt.Watcher is { HasError: true } || (call.Kept is not null && attempt.Watcher is null && !attempt.IsComplete))
        {
            // A resumable stream ends here if bytes that were read could not be written, and their number is unknown.
            call.Outcome = RequestOutcome.Truncated;
            NoteFailure(attempt.Watcher is { HasError: true } ? InstanceFailure.ServerError : InstanceFailure.Broken, attempt);
            ForwardingLog.Truncated(logger, call.Operation.Name, attempt.Lease.Instance.Name);
        }
        else if (attempt.Failure is { } failure)
        {
            NoteFailure(failure, attempt);
        }
        else if (attempt.Rejected)
        {
            // The fault is the request's: it is no evidence about the instance.
            attempt.Lease.Answered = true;
        }
        else
        {
            attempt.Lease.Answered = true;
            var decoding = attempt.DecodeTime();
            outcomes.Succeeded(attempt.Lease, call.OutputTokens, decoding);
            PlacementOutcomes.Prefilled(attempt);
            if (call.Operation.Kind == OperationKind.Inference)
                metrics.RecordDecoding(Labels.OfGenAi(call.Operation), call.ModelKey, call.OutputTokens, decoding);
        }

        if (MemoryChanges.MayHaveChanged(call, attempt))
            fleet.RequestProbe(attempt.Lease.Instance);

        // Before the slot is released: the charge decides which request is next.
        call.SettleCharge();
    }
}

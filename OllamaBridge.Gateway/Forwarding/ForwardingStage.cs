using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Admission;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Forwarding.Continuation;
using OllamaBridge.Gateway.Forwarding.Fallback;
using OllamaBridge.Gateway.Forwarding.Hedging;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Telemetry;

namespace OllamaBridge.Gateway.Forwarding;

/// <summary>Schedules and sends: to one instance after another until one answers, within the retry budget.</summary>
internal sealed class ForwardingStage(
    AttemptSender sender,
    Hedger hedger,
    ModelFallback fallback,
    Continuer continuer,
    RequestQueue queue,
    RetryBudget budget,
    PlacementOutcomes outcomes,
    BridgeMetrics metrics,
    IOptions<ForwardingOptions> options,
    IOptions<QueueOptions> queueOptions,
    TimeProvider time,
    ILogger<ForwardingStage> logger)
{
    private readonly int _maxAttempts = options.Value.MaxAttempts;

    /// <summary>Answers a request.</summary>
    /// <param name="context">The request.</param>
    /// <param name="call">What is known of it.</param>
    public async Task HandleAsync(HttpContext context, BridgeCall call)
    {
        var urgency = Urgency.Read(context.Request.Headers, call.Tenant);
        if (urgency.Fault is { } fault)
        {
            await ProtocolError.WriteAsync(context, call.Operation.Protocol, StatusCodes.Status400BadRequest, fault);
            return;
        }

        call.Priority = urgency.Priority;
        if (urgency.Deadline is { } deadline)
            call.Deadline = call.StartedAt + Math.Max(1, (long)(deadline.TotalSeconds * time.TimestampFrequency));
        budget.Deposit();
        try
        {
            if (!Heartbeat.IsWanted(context, call))
            {
                await AnswerAsync(context, call);
                return;
            }

            using var response = BegunResponse.For(context);
            call.Ticket = new QueueTicket();
            await using var heartbeat = call.Heartbeat = Heartbeat.Start(context, call, queue, queueOptions.Value.ProgressInterval, time);
            await AnswerAsync(context, call);
        }
        finally
        {
            call.Kept?.Dispose();
        }
    }

    private async Task AnswerAsync(HttpContext context, BridgeCall call)
    {
        if (await BeginAsync(context, call) is { } broken
            && await continuer.ContinueAsync(context, call, broken) is { } whole)
            call.AnsweredBy = whole.Lease.Instance;
        if (context.RequestAborted.IsCancellationRequested && call.Outcome is null && call.Continued is not null && call.Kept is { End.Reason: null })
            call.Outcome = CallOutcome.Cancelled;
    }

    /// <summary>Sends until an answer has begun.</summary>
    /// <returns>The sending whose answer broke off and can be gone on with; null where nothing is left to do.</returns>
    private async Task<ForwardAttempt?> BeginAsync(HttpContext context, BridgeCall call)
    {
        var gone = context.RequestAborted;
        var tries = new ModelTries(call.Attempts);
        ModelTries? first = null;
        while (true)
        {
            if (fallback.Judge(call, tries, _maxAttempts) is { } cause && await fallback.TryMoveAsync(context, call, cause))
                (first, tries) = (first ?? tries, new ModelTries(call.Attempts));
            LeaseResult? result = tries.MayBeSent(call, _maxAttempts) ? await AcquireAsync(call, tries, gone) : null;
            if (result?.Lease is not { } lease)
            {
                if (result is { } refused && FallbackRules.Judge(refused.Refusal) is { } reason && await fallback.TryMoveAsync(context, call, reason))
                {
                    (first, tries) = (first ?? tries, new ModelTries(call.Attempts));
                    continue;
                }

                // Another request was faster: wait again.
                if (result is { Refusal: LeaseRefusal.GaveWay })
                    continue;

                await StopHeartbeatAsync(call);
                await tries.EndAsync(context, call, first, result);
                return null;
            }

            using (lease)
            {
                // A body that is passed on as it comes can be sent only once.
                var replayable = call.Body is not null || !call.Operation.UnbufferedBody;
                var mayBeAgain = tries.Sent(call) + 1 < _maxAttempts || call.Alternatives is { HasNext: true };
                using var sent = await hedger.SendAsync(
                    context, call, lease, replayable && mayBeAgain ? budget : null, tries.Tried, other => ReportFailure(other.Failure!.Value, other));
                var attempt = sent.Attempt;
                if (attempt.Delivered || gone.IsCancellationRequested)
                {
                    Settle(call, attempt, gone);
                    return attempt.Interrupted is null || gone.IsCancellationRequested ? null : attempt;
                }

                if (sent.Other is { } second)
                    tries.Add(second.Lease.Instance);
                tries.Retained = attempt.Retained ?? tries.Retained;
                if (attempt.IsTooLong)
                    // The request's own fault: that says neither good nor bad of whoever found it.
                    tries.IsTooLong = lease.Answered = true;
                else if (!TryAgain(context, call, tries, attempt))
                {
                    await StopHeartbeatAsync(call);
                    await tries.EndAsync(context, call, first, null);
                    return null;
                }

                BegunResponse.Renew(context);
            }
        }
    }

    private ValueTask<LeaseResult> AcquireAsync(BridgeCall call, ModelTries tries, CancellationToken gone)
    {
        // A kept connection that breaks as the request goes out is mostly a server that has just died, and will refuse: once, that
        // counts as refused, and once more for the connection that was kept beside it. (A request that kills servers finds few of them.)
        var broke = tries is { LastFailure: InstanceFailure.Broken, Retained: null } && tries.Sent(call) - tries.Tried?.Count is 0 or 1;
        return sender.AcquireAsync(call, tries.Tried, broke ? InstanceFailure.Refused : tries.LastFailure, gone, fallback.GiveWay(call));
    }

    /// <summary>An instance has failed the request.</summary>
    /// <returns>Whether it may be sent again.</returns>
    private bool TryAgain(HttpContext context, BridgeCall call, ModelTries tries, ForwardAttempt attempt)
    {
        var instance = attempt.Lease.Instance;
        var failure = attempt.Failure ?? InstanceFailure.Broken;
        tries.LastFailure = failure;
        ReportFailure(failure, attempt);
        // Who could not be reached has nothing to do with it: the next one bears what the first would have borne, and no more.
        var again = !context.Response.HasStarted && (failure == InstanceFailure.Refused ? attempt.CanRetry : attempt.TakeRetry());
        if (attempt.Taken is not null)
            ForwardingLog.Taken(logger, call.Operation.Name, instance.Name, failure);
        else
            ForwardingLog.AttemptFailed(logger, call.Operation.Name, instance.Name, failure, call.Attempts, again ? "tried elsewhere" : "given up");
        if (!again)
            return false;
        metrics.RecordRetry(failure);
        tries.Add(instance);
        return true;
    }

    private static ValueTask StopHeartbeatAsync(BridgeCall call) => call.Heartbeat?.DisposeAsync() ?? ValueTask.CompletedTask;

    private void ReportFailure(InstanceFailure failure, ForwardAttempt attempt)
    {
        // What was taken away from an instance it did not fail.
        if (attempt.Taken is not null)
            return;
        if (attempt.BusyFor is { } busy)
            outcomes.Busy(attempt.Lease, busy);
        else
            outcomes.Failed(attempt.Lease, failure);
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
            call.Outcome = CallOutcome.Cancelled;
        }
        else if (attempt.Interrupted is not null)
        {
            // Not over yet.
            return;
        }
        else if (attempt.Truncated || attempt.Watcher is { HasError: true } || (call.Kept is not null && attempt.Watcher is null && !attempt.IsComplete))
        {
            // (Of a kept stream: what has been read could not be written, and nobody knows how much of it.)
            call.Outcome = CallOutcome.Truncated;
            ReportFailure(InstanceFailure.Broken, attempt);
            ForwardingLog.Truncated(logger, call.Operation.Name, attempt.Lease.Instance.Name);
        }
        else if (attempt.Failure is { } failure)
        {
            ReportFailure(failure, attempt);
        }
        else if (attempt.Rejected)
        {
            // The request's own fault: that says neither good nor bad of whoever found it.
            attempt.Lease.Answered = true;
        }
        else
        {
            attempt.Lease.Answered = true;
            var decoding = attempt.DecodeTime();
            outcomes.Succeeded(attempt.Lease, call.OutputTokens, decoding);
            if (call.Operation.Kind == OperationKind.Inference)
                metrics.RecordDecoding(Labels.OfGenAi(call.Operation), call.ModelKey, call.OutputTokens, decoding);
        }

        // Before the slot goes to the next: whose turn it is depends on what this one took.
        call.SettleCharge();
    }
}

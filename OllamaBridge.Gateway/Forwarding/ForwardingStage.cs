using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Admission;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Forwarding.Continuation;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Telemetry;

namespace OllamaBridge.Gateway.Forwarding;

/// <summary>Schedules and sends: to one instance after another until one answers, within the retry budget.</summary>
internal sealed class ForwardingStage(
    AttemptSender sender,
    Continuer continuer,
    RequestQueue queue,
    RetryBudget budget,
    IFleet fleet,
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
        HashSet<Instance>? tried = null;
        RetainedAnswer? retained = null;
        InstanceFailure? lastFailure = null;
        while (true)
        {
            // A kept connection that breaks as the request goes out is mostly a server that has just died, and will refuse: once, that
            // counts as refused. (A request that kills servers would find each of them only once more.)
            var broke = lastFailure == InstanceFailure.Broken && retained is null && call.Attempts == tried?.Count;
            var result = await sender.AcquireAsync(call, tried, broke ? InstanceFailure.Refused : lastFailure, gone);
            if (result.Lease is not { } lease)
            {
                await StopHeartbeatAsync(call);
                await AnswerFailure.RefuseAsync(context, call, result, retained, lastFailure);
                return null;
            }

            using (lease)
            {
                // A body that is passed on as it comes can be sent only once.
                var replayable = call.Body is not null || !call.Operation.UnbufferedBody;
                var attempt = await sender.SendAsync(context, call, lease, replayable && call.Attempts + 1 < _maxAttempts ? budget : null);
                if (attempt.Delivered || gone.IsCancellationRequested)
                {
                    Settle(call, attempt, gone);
                    return attempt.Interrupted is null || gone.IsCancellationRequested ? null : attempt;
                }

                lastFailure = attempt.Failure ?? InstanceFailure.Broken;
                retained = attempt.Retained ?? retained;
                ReportFailure(lease.Instance, lastFailure.Value, attempt);
                var again = !context.Response.HasStarted && attempt.TakeRetry();
                if (attempt.Taken is not null)
                    ForwardingLog.Taken(logger, call.Operation.Name, lease.Instance.Name, lastFailure.Value);
                else
                    ForwardingLog.AttemptFailed(
                        logger, call.Operation.Name, lease.Instance.Name, lastFailure.Value, call.Attempts, again ? "tried elsewhere" : "given up");
                if (!again)
                {
                    await StopHeartbeatAsync(call);
                    await AnswerFailure.FailAsync(context, call, retained, lastFailure.Value);
                    return null;
                }

                metrics.RecordRetry(lastFailure.Value);
                (tried ??= []).Add(lease.Instance);
                BegunResponse.Renew(context);
            }
        }
    }

    private static ValueTask StopHeartbeatAsync(BridgeCall call) => call.Heartbeat?.DisposeAsync() ?? ValueTask.CompletedTask;

    private void ReportFailure(Instance instance, InstanceFailure failure, ForwardAttempt attempt)
    {
        if (attempt.Taken is null && (attempt.Retained is not { } answer || !AnswerVerdict.IsBusy(answer.Status)))
            fleet.ReportFailure(instance, failure);
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
            ReportFailure(attempt.Lease.Instance, InstanceFailure.Broken, attempt);
            ForwardingLog.Truncated(logger, call.Operation.Name, attempt.Lease.Instance.Name);
        }
        else if (attempt.Failure is { } failure)
        {
            ReportFailure(attempt.Lease.Instance, failure, attempt);
        }
        else
        {
            attempt.Lease.Answered = true;
            fleet.ReportSuccess(attempt.Lease.Instance);
        }

        // Before the slot goes to the next: whose turn it is depends on what this one took.
        call.SettleCharge();
    }
}

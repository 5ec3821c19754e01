using System.Diagnostics;
using System.Globalization;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Admission;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Scheduling;
using OllamaBridge.Gateway.Telemetry;
using Yarp.ReverseProxy.Forwarder;

namespace OllamaBridge.Gateway.Forwarding;

/// <summary>Schedules and sends: to one instance after another until one answers, within the retry budget.</summary>
internal sealed class ForwardingStage(
    IHttpForwarder forwarder,
    HttpMessageInvoker client,
    AnswerTransformer transformer,
    RequestQueue queue,
    RetryBudget budget,
    IFleet fleet,
    BridgeMetrics metrics,
    ForwardTimeouts timeouts,
    IOptions<ForwardingOptions> options,
    TimeProvider time,
    ILogger<ForwardingStage> logger)
{
    // Bodies with pictures or sound are large for what they are in tokens: beyond a usual context the estimate stops.
    private const long MaxInputEstimate = 32_768;
    private const int BytesPerToken = 4;
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
        var gone = context.RequestAborted;
        HashSet<Instance>? tried = null;
        RetainedAnswer? retained = null;
        InstanceFailure? lastFailure = null;
        while (true)
        {
            // A kept connection that breaks as the request goes out is mostly a server that has just died, and will refuse: once, that
            // counts as refused. (A request that kills servers would find each of them only once more.)
            var broke = lastFailure == InstanceFailure.Broken && retained is null && call.Attempts == tried?.Count;
            var result = await AcquireAsync(call, tried, broke ? InstanceFailure.Refused : lastFailure, gone);
            if (result.Lease is not { } lease)
            {
                await RefuseAsync(context, call, result, retained, lastFailure);
                return;
            }

            using (lease)
            {
                var attempt = await SendAsync(context, call, lease);
                if (attempt.Delivered || gone.IsCancellationRequested)
                {
                    Settle(call, attempt, gone);
                    return;
                }

                lastFailure = attempt.Failure ?? InstanceFailure.Broken;
                retained = attempt.Retained ?? retained;
                ReportFailure(lease.Instance, lastFailure.Value, attempt);
                var again = !context.Response.HasStarted && attempt.TakeRetry();
                ForwardingLog.AttemptFailed(
                    logger, call.Operation.Name, lease.Instance.Name, lastFailure.Value, call.Attempts, again ? "tried elsewhere" : "given up");
                if (!again)
                {
                    await FailAsync(context, call, retained, lastFailure.Value);
                    return;
                }

                metrics.RecordRetry(lastFailure.Value);
                (tried ??= []).Add(lease.Instance);
                context.Response.StatusCode = StatusCodes.Status200OK;
            }
        }
    }

    private async ValueTask<LeaseResult> AcquireAsync(
        BridgeCall call, HashSet<Instance>? tried, InstanceFailure? lastFailure, CancellationToken gone)
    {
        using var span = BridgeTracing.StartQueue(call);
        var need = new LeaseRequest(
            call.ModelKey, call.Facts.Affinity, call.Operation.Kind == OperationKind.Inference, call.Pinned, tried, span,
            call.Tenant, call.Priority, call.Deadline, Math.Min(call.Body?.Length / BytesPerToken ?? 0, MaxInputEstimate), call.Charge.IsMade);
        var since = time.GetTimestamp();
        try
        {
            var result = await queue.AcquireAsync(need, gone);
            if (result.Refusal == LeaseRefusal.AllTried && lastFailure == InstanceFailure.Refused)
            {
                // Nothing has been done with the request: whoever comes back first may have it, the ones that refused included.
                result = await queue.AcquireAsync(need with { Tried = null }, gone);
            }

            if (result.Charge.IsMade)
                call.Charge = result.Charge;
            if (result.Lease is null)
                span?.SetTag(TelemetryNames.BridgeRefusal, Labels.Of(result.Refusal)).SetStatus(ActivityStatusCode.Error);
            return result;
        }
        finally
        {
            call.Queued += time.GetElapsedTime(since);
        }
    }

    private async Task<ForwardAttempt> SendAsync(HttpContext context, BridgeCall call, InstanceLease lease)
    {
        call.Attempts++;
        if (!lease.WasLoaded && call.ModelKey.Length > 0 && call.Operation.Kind == OperationKind.Inference)
            metrics.RecordLoad(call.ModelKey, lease.Instance.Name);
        // A body that is passed on as it comes can be sent only once.
        var replayable = call.Body is not null || !call.Operation.UnbufferedBody;
        var attempt = new ForwardAttempt(call, lease, replayable && call.Attempts < _maxAttempts ? budget : null, time.GetTimestamp())
        {
            Span = BridgeTracing.StartAttempt(call, lease.Instance),
        };
        context.Features.Set(attempt);
        if (call.Body is { } body)
        {
            context.Request.Body = body.OpenRead();
            context.Request.ContentLength = body.Length;
            context.Request.Headers.Remove("Transfer-Encoding");
        }

        try
        {
            var error = await forwarder.SendAsync(
                context, lease.Instance.Prefix, client, timeouts.For(call, lease), transformer, context.RequestAborted);
            if (error != ForwarderError.None && !attempt.Delivered)
                attempt.Failure ??= Name(error, context.GetForwarderErrorFeature()?.Exception);
            return attempt;
        }
        finally
        {
            BridgeTracing.EndAttempt(attempt);
            attempt.Watcher?.Dispose();
            // What takes no slot says nothing about when one comes free.
            if (call.Operation.Kind == OperationKind.Inference)
                queue.RecordService(time.GetElapsedTime(attempt.SentAt), new QueueKey(call.ModelKey, call.Tenant.Instances));
        }
    }

    private static InstanceFailure Name(ForwarderError error, Exception? exception) => error switch
    {
        ForwarderError.RequestTimedOut or ForwarderError.RequestBodyCanceled => InstanceFailure.TimedOut,
        _ when exception is OperationCanceledException => InstanceFailure.TimedOut,
        ForwarderError.Request when exception is HttpRequestException { HttpRequestError: HttpRequestError.ConnectionError or HttpRequestError.NameResolutionError } =>
            InstanceFailure.Refused,
        _ => InstanceFailure.Broken,
    };

    private void ReportFailure(Instance instance, InstanceFailure failure, ForwardAttempt attempt)
    {
        if (attempt.Retained is not { } answer || !AnswerVerdict.IsBusy(answer.Status))
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

        if (gone.IsCancellationRequested && attempt.Watcher is not { IsComplete: true })
        {
            call.Outcome = CallOutcome.Cancelled;
        }
        else if (attempt.Truncated || attempt.Watcher is { HasError: true })
        {
            call.Outcome = CallOutcome.Truncated;
            fleet.ReportFailure(attempt.Lease.Instance, InstanceFailure.Broken);
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

    private static Task FailAsync(HttpContext context, BridgeCall call, RetainedAnswer? retained, InstanceFailure failure)
    {
        if (retained is not null)
            return WriteAsync(context, retained);
        var (status, message) = failure switch
        {
            InstanceFailure.TimedOut => (StatusCodes.Status504GatewayTimeout, "the instance did not answer in time"),
            InstanceFailure.Refused => (StatusCodes.Status502BadGateway, "the instance could not be reached"),
            _ => (StatusCodes.Status502BadGateway, "the instance broke off its answer"),
        };
        return ProtocolError.WriteAsync(context, call.Operation.Protocol, status, message);
    }

    private static Task RefuseAsync(HttpContext context, BridgeCall call, LeaseResult result, RetainedAnswer? retained, InstanceFailure? lastFailure)
    {
        if (lastFailure is { } failure && result.Refusal is LeaseRefusal.AllTried or LeaseRefusal.NoneHealthy or LeaseRefusal.UnknownModel)
            return FailAsync(context, call, retained, failure);
        DescribeWait(context.Response.Headers, result);
        var protocol = call.Operation.Protocol;
        return result.Refusal switch
        {
            LeaseRefusal.UnknownModel => ProtocolError.WriteAsync(
                context, protocol, StatusCodes.Status404NotFound, ProtocolError.UnknownModel(call.Operation, call.Facts.Model ?? call.Rest)),
            LeaseRefusal.NoInstances => ProtocolError.WriteAsync(
                context, protocol, StatusCodes.Status503ServiceUnavailable,
                "the bridge has no instance to ask: set Bridge:Urls or Bridge:Instances:0:Url", result.RetryAfter),
            LeaseRefusal.QueueFull => ProtocolError.WriteAsync(
                context, protocol, StatusCodes.Status503ServiceUnavailable, "server busy, please try again: the queue is full", result.RetryAfter),
            LeaseRefusal.WaitedTooLong => ProtocolError.WriteAsync(
                context, protocol, StatusCodes.Status503ServiceUnavailable, "server busy, please try again: no slot came free in time", result.RetryAfter),
            LeaseRefusal.PushedOut => ProtocolError.WriteAsync(
                context, protocol, StatusCodes.Status503ServiceUnavailable,
                "server busy, please try again: the queue is full and the place went to another request", result.RetryAfter),
            LeaseRefusal.DeadlinePassed => ProtocolError.WriteAsync(
                context, protocol, StatusCodes.Status504GatewayTimeout, $"no slot came free before the request's deadline ({Urgency.DeadlineHeader})", result.RetryAfter),
            LeaseRefusal.DeadlineTooSoon => ProtocolError.WriteAsync(
                context, protocol, StatusCodes.Status504GatewayTimeout, $"the wait for a slot would be longer than the request's deadline ({Urgency.DeadlineHeader})", result.RetryAfter),
            _ => ProtocolError.WriteAsync(
                context, protocol, StatusCodes.Status503ServiceUnavailable, "no healthy instance has this model at the moment", result.RetryAfter),
        };
    }

    private static void DescribeWait(IHeaderDictionary headers, in LeaseResult result)
    {
        if (result.Position > 0)
            headers[Urgency.PositionHeader] = result.Position.ToString(CultureInfo.InvariantCulture);
        if (result.EstimatedWait is { } wait)
            headers[Urgency.EstimatedWaitHeader] = wait.TotalSeconds.ToString("0.###", CultureInfo.InvariantCulture);
    }

    private static async Task WriteAsync(HttpContext context, RetainedAnswer answer)
    {
        context.Response.StatusCode = answer.Status;
        context.Response.ContentType = answer.ContentType;
        context.Response.ContentLength = answer.Body.Length;
        await context.Response.Body.WriteAsync(answer.Body, context.RequestAborted);
    }
}

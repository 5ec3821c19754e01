using System.Buffers;
using System.Diagnostics;
using Microsoft.Net.Http.Headers;
using OllamaBridge.Gateway.Admission;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Forwarding.Continuation;
using OllamaBridge.Gateway.Forwarding.Faults;
using OllamaBridge.Gateway.Forwarding.Hedging;
using OllamaBridge.Gateway.Forwarding.Parallelism;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Regions;
using OllamaBridge.Gateway.Scheduling;
using OllamaBridge.Gateway.Telemetry;
using Yarp.ReverseProxy.Forwarder;

namespace OllamaBridge.Gateway.Forwarding;

/// <summary>Gets a request an instance, and sends it there once.</summary>
internal sealed class AttemptSender(
    IHttpForwarder forwarder,
    HttpMessageInvoker client,
    FreshConnectionClient freshClient,
    AnswerTransformer transformer,
    RequestQueue queue,
    RetryBudget retries,
    BridgeMetrics metrics,
    ForwardTimeouts timeouts,
    SilenceWatch watch,
    ConversationHomes homes,
    ParallelismLearner parallelism,
    TimeProvider time,
    ILogger<AttemptSender> logger)
{
    // Bodies with pictures or sound are large for what they are in tokens: beyond a usual context the estimate stops.
    private const long MaxInputEstimate = 32_768;
    private const int BytesPerToken = 4;

    // A stale connection breaks as soon as it is written to. What breaks later is a server that was at work.
    private static readonly TimeSpan StaleWithin = TimeSpan.FromSeconds(2);

    /// <summary>Waits for an instance.</summary>
    /// <param name="call">The request.</param>
    /// <param name="tried">Instances that have failed it; null for none.</param>
    /// <param name="lastFailure">How the last of them failed.</param>
    /// <param name="gone">The client has gone.</param>
    /// <param name="preferred">The instance that it is for; null for any.</param>
    /// <param name="giveWay">Whether another model can serve the request at once; null if it waits for this one.</param>
    public async ValueTask<LeaseResult> AcquireAsync(
        BridgeCall call, HashSet<Instance>? tried, InstanceFailure? lastFailure, CancellationToken gone, Instance? preferred = null, Func<bool>? giveWay = null)
    {
        using var span = BridgeTracing.StartQueue(call);
        var hasBegun = call.Kept is { HasBegun: true };
        var home = call.Facts.IsLaterTurn ? homes.Find(call.Facts.Affinity, call.ModelKey) : null;
        var need = new LeaseRequest(
            call.ModelKey, call.Facts.Affinity, call.Operation.Kind == OperationKind.Inference && !call.IsUnload, call.Pinned ?? preferred, tried, span,
            call.Tenant, call.Priority, hasBegun ? 0 : call.Deadline, Math.Min(call.Body?.Length / BytesPerToken ?? 0, MaxInputEstimate), call.Charge.IsMade,
            call.Ticket, call.Part)
        {
            NoRetry = retries.IsEmpty,
            Digest = hasBegun ? call.Digest : default,
            Bytes = call.Body?.Length ?? 0,
            GiveWay = giveWay,
            Home = home,
            Stays = home is null && call.Facts.IsLaterTurn,
        };
        var since = time.GetTimestamp();
        try
        {
            var result = await queue.AcquireAsync(need, gone);
            if (result.Refusal == LeaseRefusal.AllTried && lastFailure is (InstanceFailure.Refused or InstanceFailure.Drained))
            {
                // Nothing has been done with the request: whoever comes back first may have it, the ones that refused included.
                // An answer that has begun stays before all lines.
                result = await queue.AcquireAsync(need with { Tried = hasBegun ? [] : null }, gone);
            }

            call.Queue = result.Queue;
            if (result.Charge.IsMade)
                call.Charge = result.Charge;
            if (result.Lease is { } lease)
                NoteHome(call, lease, home);
            else
                span?.SetTag(TelemetryNames.BridgeRefusal, Labels.Of(result.Refusal)).SetStatus(ActivityStatusCode.Error);
            return result;
        }
        finally
        {
            call.Queued += time.GetElapsedTime(since);
        }
    }

    /// <summary>Where a conversation's last turn was is where its next one goes.</summary>
    private void NoteHome(BridgeCall call, InstanceLease lease, string? home)
    {
        if (lease.Spill != SpillReason.None && call.Facts.Affinity != 0)
            homes.Note(call.Facts.Affinity, call.ModelKey, lease.Instance.Name);
        else if (home is not null)
            homes.Forget(call.Facts.Affinity, call.ModelKey);
    }

    /// <summary>Sends it.</summary>
    /// <param name="context">The request.</param>
    /// <param name="call">What is known of it.</param>
    /// <param name="lease">The right to the instance.</param>
    /// <param name="budget">Where another try would be taken from; null where there is none left.</param>
    /// <param name="plan">What to ask in place of the request itself; null for the request.</param>
    /// <param name="race">What it takes part in, where the request may be sent to two instances; else null.</param>
    public async Task<ForwardAttempt> SendAsync(
        HttpContext context, BridgeCall call, InstanceLease lease, RetryBudget? budget, ContinuationPlan? plan = null, HedgeRace? race = null)
    {
        call.Attempts++;
        call.FirstSentAt ??= time.GetTimestamp();
        if (call.Kept is not { HasBegun: true })
            call.Digest = DigestPin.Of(lease.Placement);
        if (!lease.WasLoaded && call.ModelKey.Length > 0 && call.Operation.Kind == OperationKind.Inference)
            metrics.RecordLoad(call.ModelKey, lease.Instance.Name);
        if (lease.Spill != SpillReason.None)
            metrics.RecordSpillover(lease.Instance.Name, lease.Spill);
        // What is rare finds no connection that is still warm.
        var isRare = call.Operation.Kind == OperationKind.Management;
        var attempt = await SendOnceAsync(context, call, lease, budget, plan, race, isRare ? freshClient : client);
        // Proxies (HAProxy, for one) say so on a kept connection whose time is over.
        if (attempt is { Failure: InstanceFailure.ServerError, Status: StatusCodes.Status408RequestTimeout, Connection.IsReused: true, Delivered: false }
            && CanRepeat(context, attempt))
            attempt.Failure = InstanceFailure.StaleConnection;
        if (attempt.Failure != InstanceFailure.StaleConnection)
            return attempt;
        FaultLog.StaleConnection(logger, call.Operation.Name, lease.Instance.Name);
        metrics.RecordFault(Fault.Bridge, InstanceFailure.StaleConnection);
        metrics.RecordRetry(InstanceFailure.StaleConnection);
        BegunResponse.Renew(context);
        return await SendOnceAsync(context, call, lease, budget, plan, race, freshClient);
    }

    private async Task<ForwardAttempt> SendOnceAsync(
        HttpContext context, BridgeCall call, InstanceLease lease, RetryBudget? budget, ContinuationPlan? plan, HedgeRace? race, HttpMessageInvoker sender)
    {
        var attempt = new ForwardAttempt(call, lease, budget, time, context.RequestAborted)
        {
            Span = BridgeTracing.StartAttempt(call, lease.Instance),
            Plan = plan,
            Race = race,
            IsBoundToInstance = ContinuationOptions.IsUnwanted(context.Request.Headers),
        };
        context.Features.Set(attempt);
        attempt.Connection = ConnectionUse.Begin();
        var invoker = sender;
        if (plan is not null || call.Body is not null)
        {
            var outgoing = call.Body?.Outgoing;
            if (call.Body is { WasEncoded: true } encoded)
                SetEncoding(context.Request.Headers, encoded, plan is null && encoded.IsEncoded);
            context.Request.Headers.Remove("Transfer-Encoding");
            if (plan is null && !outgoing!.IsInMemory)
            {
                context.Request.Body = outgoing.OpenRead();
                context.Request.ContentLength = outgoing.Length;
            }
            else
            {
                var body = plan is not null ? new ReadOnlySequence<byte>(plan.Body) : outgoing!.Bytes;
                context.Request.Body = new SequenceStream(body);
                context.Request.ContentLength = body.Length;
                invoker = HeldBodyClient.For(sender, body);
            }
        }

        using var sending = SilenceWatch.IsFor(call) ? CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted) : null;
        try
        {
            if (sending is not null)
            {
                attempt.Sending = sending;
                watch.Add(attempt);
            }

            race?.Add(attempt);

            var error = await forwarder.SendAsync(
                context, lease.Instance.Prefix, invoker, timeouts.For(call, lease), transformer, sending?.Token ?? context.RequestAborted);
            if (error != ForwarderError.None && !attempt.Delivered)
                NoteFailure(context, attempt, error);
            return attempt;
        }
        finally
        {
            if (sending is not null)
                watch.Remove(attempt);
            if (attempt.Overlap() is { } overlap)
                parallelism.Add(lease, overlap);
            BridgeTracing.EndAttempt(attempt);
            attempt.Watcher?.Dispose();
            // What takes no slot says nothing about when one comes free, nor does what was broken off for being the second.
            if (call.Operation.Kind == OperationKind.Inference && !attempt.IsOvertaken)
                queue.RecordService(time.GetElapsedTime(attempt.SentAt), call.Queue);
        }
    }

    /// <summary>Makes the header name the encoding of what is sent. An earlier attempt may have sent it differently.</summary>
    private static void SetEncoding(IHeaderDictionary headers, ReplayableBody body, bool isEncoded)
    {
        if (!isEncoded)
            headers.Remove(HeaderNames.ContentEncoding);
        else if (headers.ContentEncoding.Count == 0)
            headers.ContentEncoding = body.ContentEncoding;
    }

    private void NoteFailure(HttpContext context, ForwardAttempt attempt, ForwarderError error)
    {
        var exception = context.GetForwarderErrorFeature()?.Exception;
        attempt.Failure ??= attempt.Taken ?? (attempt.Cause is not null ? InstanceFailure.TimedOut : ForwarderFailures.Name(error, exception));
        if (exception is HttpRequestException { InnerException: System.Security.Authentication.AuthenticationException })
            ForwardingLog.ConnectionFailed(logger, attempt.Lease.Instance.Name, ProbeError.Describe(exception, isTls: true));
        if (attempt.Failure == InstanceFailure.ClientBody)
            attempt.BodyFault = exception is null ? StatusCodes.Status400BadRequest : BodyFault.StatusOf(exception);
        else if (attempt is { Failure: InstanceFailure.Broken, Status: 0, Connection.IsReused: true }
            && time.GetElapsedTime(attempt.SentAt) < StaleWithin && CanRepeat(context, attempt))
            attempt.Failure = InstanceFailure.StaleConnection;
    }

    private static bool CanRepeat(HttpContext context, ForwardAttempt attempt) =>
        (attempt.Plan is not null || attempt.Call.Body is not null || !attempt.Call.Operation.UnbufferedBody || HttpMethods.IsHead(context.Request.Method)) && !context.RequestAborted.IsCancellationRequested;
}

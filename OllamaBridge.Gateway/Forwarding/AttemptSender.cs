using System.Buffers;
using System.Diagnostics;
using Microsoft.Net.Http.Headers;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Fleet.Regions;
using OllamaBridge.Gateway.Forwarding.Faults;
using OllamaBridge.Gateway.Forwarding.Hedging;
using OllamaBridge.Gateway.Forwarding.Parallelism;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Queueing;
using OllamaBridge.Gateway.Resumption;
using OllamaBridge.Gateway.Scheduling;
using OllamaBridge.Gateway.Telemetry;
using Yarp.ReverseProxy.Forwarder;

namespace OllamaBridge.Gateway.Forwarding;

/// <summary>Acquires a lease for a request, and sends the request once.</summary>
internal sealed class AttemptSender(
    IHttpForwarder forwarder,
    HttpMessageInvoker client,
    FreshConnectionClient freshClient,
    ResponseTransformer transformer,
    RequestQueue queue,
    RetryBudget retries,
    BridgeMetrics metrics,
    ForwardTimeouts timeouts,
    StallDetector watch,
    ConversationRegions homes,
    ParallelismLearner parallelism,
    TimeProvider time,
    ILogger<AttemptSender> logger)
{
    // Bodies with images or audio are large in relation to their tokens. The estimate ends at a usual context length.
    private const long MaxInputEstimate = 32_768;
    private const int BytesPerToken = 4;

    // A stale connection fails as soon as it is written to. A later failure is one of a working server.
    private static readonly TimeSpan StaleWithin = TimeSpan.FromSeconds(2);

    /// <summary>
    /// Waits in the queue for an instance. Excludes those in <paramref name="tried"/>, which failed the request; <paramref name="lastFailure"/> is
    /// how the last of them did. <paramref name="preferred"/> is null for any instance. <paramref name="giveWay"/> tells whether another model can
    /// serve the request at once; null if it waits for this one.
    /// </summary>
    public async ValueTask<LeaseResult> AcquireAsync(
        BridgeCall call, HashSet<Instance>? tried, InstanceFailure? lastFailure, CancellationToken gone, Instance? preferred = null, Func<bool>? giveWay = null)
    {
        using var span = BridgeTracing.StartQueue(call);
        var hasBegun = call.Kept is { HasBegun: true };
        var home = call.Facts.IsLaterTurn ? homes.Find(call.Facts.Affinity, call.ModelKey) : null;
        var need = new LeaseRequest
        {
            Model = new ModelSelector(call.ModelKey, call.Part, hasBegun ? call.Digest : default),
            NeedsSlot = call.Operation.Kind == OperationKind.Inference && !call.IsUnload,
            Owner = new LeaseOwner
            {
                Tenant = call.Tenant,
                Priority = call.Priority,
                InputTokens = Math.Min(call.Body?.Length / BytesPerToken ?? 0, MaxInputEstimate),
                IsCharged = call.Charge.IsMade,
            },
            Conversation = new ConversationHints(call.Facts.Affinity, home, Stays: home is null && call.Facts.IsLaterTurn),
            Instances = new InstanceRules { Only = call.Pinned ?? preferred, Tried = tried, NoRetry = retries.IsEmpty },
            Wait = new WaitRules { Deadline = hasBegun ? 0 : call.Deadline, GiveWay = giveWay, Ticket = call.Ticket, Span = span },
            Bytes = call.Body?.Length ?? 0,
        };
        var since = time.GetTimestamp();
        try
        {
            var result = await queue.AcquireAsync(need, gone);
            if (result.Refusal == LeaseRefusal.AllTried && lastFailure is (InstanceFailure.Refused or InstanceFailure.Drained))
            {
                // No instance has processed the request: the first instance that is available again gets it, including those that refused. A response
                // that has begun has precedence over the queue.
                result = await queue.AcquireAsync(need with { Instances = need.Instances with { Tried = hasBegun ? [] : null } }, gone);
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

    /// <summary>Remembers the instance of a conversation that spilled over, so that its next turn goes to the same one.</summary>
    private void NoteHome(BridgeCall call, InstanceLease lease, string? home)
    {
        if (lease.Spill != SpillReason.None && call.Facts.Affinity != 0)
            homes.Note(call.Facts.Affinity, call.ModelKey, lease.Instance.Name);
        else if (home is not null)
            homes.Forget(call.Facts.Affinity, call.ModelKey);
    }

    /// <summary>
    /// Sends the request, and once more over a new connection if the first one was stale. The <paramref name="budget"/> is null if no other attempt
    /// is allowed, <paramref name="plan"/> is null to send the client's own request instead of a resumption, <paramref name="race"/> is null unless
    /// the request is hedged.
    /// </summary>
    public async Task<ForwardAttempt> SendAsync(
        HttpContext context, BridgeCall call, InstanceLease lease, RetryBudget? budget, ResumptionPlan? plan = null, HedgeRace? race = null)
    {
        call.Attempts++;
        call.FirstSentAt ??= time.GetTimestamp();
        if (call.Kept is not { HasBegun: true })
            call.Digest = DigestPin.Of(lease.Placement);
        if (!lease.WasLoaded && call.ModelKey.Length > 0 && call.Operation.Kind == OperationKind.Inference)
            metrics.RecordLoad(call.ModelKey, lease.Instance.Name);
        if (lease.Spill != SpillReason.None)
            metrics.RecordSpillover(lease.Instance.Name, lease.Spill);
        // Between rare requests a pooled connection has gone stale.
        var isRare = call.Operation.Kind == OperationKind.Management;
        var attempt = await SendOnceAsync(context, call, lease, budget, plan, race, isRare ? freshClient : client);
        // Proxies such as HAProxy send a 408 on a kept connection that has timed out.
        if (attempt is { Failure: InstanceFailure.ServerError, Status: StatusCodes.Status408RequestTimeout, Connection.IsReused: true, Delivered: false }
            && CanRepeat(context, attempt))
            attempt.Failure = InstanceFailure.StaleConnection;
        if (attempt.Failure != InstanceFailure.StaleConnection)
            return attempt;
        FaultLog.StaleConnection(logger, call.Operation.Name, lease.Instance.Name);
        metrics.RecordFault(Fault.Bridge, InstanceFailure.StaleConnection);
        metrics.RecordRetry(InstanceFailure.StaleConnection);
        RestartableResponse.Renew(context);
        return await SendOnceAsync(context, call, lease, budget, plan, race, freshClient);
    }

    private async Task<ForwardAttempt> SendOnceAsync(
        HttpContext context, BridgeCall call, InstanceLease lease, RetryBudget? budget, ResumptionPlan? plan, HedgeRace? race, HttpMessageInvoker sender)
    {
        var attempt = new ForwardAttempt(call, lease, budget, time, context.RequestAborted)
        {
            Span = BridgeTracing.StartAttempt(call, lease.Instance),
            Plan = plan,
            Race = race,
            IsBoundToInstance = ResumptionOptions.IsUnwanted(context.Request.Headers),
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
                invoker = SinglePacketInvoker.For(sender, body);
            }
        }

        using var sending = StallDetector.IsFor(call) ? CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted) : null;
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
            // Service times predict free slots. Requests without a slot and overtaken attempts do not count.
            if (call.Operation.Kind == OperationKind.Inference && !attempt.IsOvertaken)
                queue.RecordService(time.GetElapsedTime(attempt.SentAt), call.Queue);
        }
    }

    /// <summary>Sets Content-Encoding to that of the body that is sent. An earlier attempt may have used another.</summary>
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

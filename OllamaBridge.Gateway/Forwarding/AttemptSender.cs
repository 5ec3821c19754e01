using System.Security.Authentication;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Forwarding.Fallback;
using OllamaBridge.Gateway.Forwarding.Faults;
using OllamaBridge.Gateway.Forwarding.Hedging;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Resumption;
using OllamaBridge.Gateway.Scheduling;
using Yarp.ReverseProxy.Forwarder;

namespace OllamaBridge.Gateway.Forwarding;

internal sealed class AttemptSender(
    AttemptTransport transport, StallDetector stalls, AttemptRecorder recorder, TimeProvider time, ILogger<AttemptSender> logger)
{
    // A stale connection fails as soon as it is written to. A later failure is one of a working server.
    private static readonly TimeSpan StaleWithin = TimeSpan.FromSeconds(2);

    /// <param name="budget">Null if no other attempt is allowed.</param>
    public Task<ForwardAttempt> SendAsync(HttpContext context, ModelTries tries, InstanceLease lease, RetryBudget? budget, HedgeRace? race = null) =>
        SendAsync(context, new Specification(tries.Call, tries.Faults, lease, budget, null, race));

    public Task<ForwardAttempt> ResumeAsync(HttpContext context, ForwardedCall call, FailedAttempts faults, InstanceLease lease, ResumptionPlan plan) =>
        SendAsync(context, new Specification(call, faults, lease, null, plan, null));

    public ForwardAttempt CreateFailedProbe(ForwardedCall call, FailedAttempts faults, InstanceLease lease, CancellationToken gone)
    {
        var attempt = new ForwardAttempt(call, faults, lease, budget: null, time, gone)
        {
            Plan = ResumptionPlan.Failed,
            Interrupted = Interruption.ErrorTold,
        };
        attempt.Result.Status = StatusCodes.Status200OK;
        attempt.TryBegin();
        attempt.Close();
        return attempt;
    }

    /// <summary>Sends the request, and once more over a new connection if the first one was stale.</summary>
    private async Task<ForwardAttempt> SendAsync(HttpContext context, Specification specification)
    {
        recorder.Begin(specification.Call, specification.Lease);
        // Between rare requests a pooled connection has gone stale.
        var isRare = specification.Call.Operation.Kind == OperationKind.Management;
        var attempt = await SendOnceAsync(context, specification, isFresh: isRare);
        // Proxies such as HAProxy send a 408 on a kept connection that has timed out.
        if (attempt is { Result: { Failure: InstanceFailure.ServerError, Status: StatusCodes.Status408RequestTimeout, IsDelivered: false }, Connection.IsReused: true }
            && CanRepeat(context, attempt))
            attempt.Result.Failure = InstanceFailure.StaleConnection;
        if (attempt.Result.Failure != InstanceFailure.StaleConnection)
            return attempt;
        recorder.RecordStaleConnection(attempt);
        RestartableResponse.Renew(context);
        return await SendOnceAsync(context, specification, isFresh: true);
    }

    private async Task<ForwardAttempt> SendOnceAsync(HttpContext context, Specification specification, bool isFresh)
    {
        var (call, faults, lease, budget, plan, race) = specification;
        var attempt = new ForwardAttempt(call, faults, lease, budget, time, context.RequestAborted)
        {
            Span = AttemptTracing.StartAttempt(call, lease.Instance),
            Plan = plan,
            Race = race,
            IsBoundToInstance = ResumptionOptions.IsUnwanted(context.Request.Headers),
        };
        context.Features.Set(attempt);
        attempt.Connection = ConnectionUse.Begin();
        using var sending = StallDetector.IsFor(call) ? CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted) : null;
        try
        {
            if (sending is not null)
            {
                attempt.Sending = sending;
                stalls.Add(attempt);
            }

            race?.Add(attempt);
            var error = await transport.SendAsync(context, attempt, isFresh, sending?.Token ?? context.RequestAborted);
            if (error != ForwarderError.None && !attempt.Result.IsDelivered)
                RecordFailure(context, attempt, error);
            return attempt;
        }
        finally
        {
            if (sending is not null)
                stalls.Remove(attempt);
            recorder.End(attempt);
        }
    }

    private void RecordFailure(HttpContext context, ForwardAttempt attempt, ForwarderError error)
    {
        var exception = context.GetForwarderErrorFeature()?.Exception;
        var result = attempt.Result;
        result.Failure ??= attempt.Withdrawn ?? (attempt.Cause is not null ? InstanceFailure.TimedOut : ForwarderFailures.Name(error, exception));
        if (exception is HttpRequestException { InnerException: AuthenticationException })
            ForwardingLog.ConnectionFailed(logger, attempt.Lease.Instance.Name, ProbeError.Describe(exception, isTls: true));
        if (result.Failure == InstanceFailure.ClientBody)
            result.BodyFault = exception is null ? StatusCodes.Status400BadRequest : BodyFault.StatusOf(exception);
        else if (result is { Failure: InstanceFailure.Broken, Status: 0 } && attempt.Connection is { IsReused: true }
            && time.GetElapsedTime(attempt.Timeline.SentAt) < StaleWithin && CanRepeat(context, attempt))
            result.Failure = InstanceFailure.StaleConnection;
    }

    private static bool CanRepeat(HttpContext context, ForwardAttempt attempt) =>
        (attempt.Plan is not null || attempt.Call.IsReplayable(context.Request.Method)) && !attempt.IsAbandoned;

    private readonly record struct Specification(
        ForwardedCall Call, FailedAttempts Faults, InstanceLease Lease, RetryBudget? Budget, ResumptionPlan? Plan, HedgeRace? Race);
}

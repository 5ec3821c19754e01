using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Forwarding;
using OllamaBridge.Gateway.Forwarding.Faults;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Scheduling;

namespace OllamaBridge.Gateway.Resumption;

/// <summary>Resumes an interrupted response on another instance, so that the client receives one complete response; else ends it with an error.</summary>
internal sealed class StreamResumer(
    AttemptSender sender,
    ResumptionPlanner planner,
    IFleet fleet,
    PlacementOutcomes outcomes,
    RepeatedFailures repeated,
    ResumptionMetrics metrics,
    IOptions<ResumptionOptions> options,
    TimeProvider time,
    ILogger<StreamResumer> logger)
{
    // Attempts after one interruption.
    private const int MaxGoes = 8;
    // Interruptions in a row without new text. After these, the request is assumed to fail on every instance.
    private const int MaxWithoutWords = 3;
    private ResumptionOptions Settings => options.Value;

    /// <summary>Resumes the response of the attempt <paramref name="broken"/>.</summary>
    /// <returns>The attempt that completed the response; null if it ended with an error or the client has disconnected.</returns>
    public async Task<ForwardAttempt?> ContinueAsync(HttpContext context, BridgeCall call, ForwardAttempt broken)
    {
        using var response = RestartableResponse.For(context);
        var gone = context.RequestAborted;
        var first = broken;
        var broke = new HashSet<Instance>();
        var brokeAgain = new HashSet<Instance>();
        var unresponsive = new HashSet<Instance>();
        var (words, inVain) = (-1, 0);
        var request = ResumableRequest.Read(call);
        call.WantsUsage = request?.WantsUsage == true;
        for (var times = 0; ;)
        {
            var cause = broken.Interrupted!.Value;
            Note(call, broken, cause);
            var now = call.Kept?.Pieces ?? 0;
            // Moving a response is not a failure, however often it happens.
            var fails = cause != Interruption.Drained;
            inVain = now > words || !fails ? 0 : inVain + 1;
            words = now;
            if (!broke.Add(broken.Lease.Instance))
                brokeAgain.Add(broken.Lease.Instance);
            var obstacle = inVain >= MaxWithoutWords ? "repeated interruptions without new text" : Obstacle(broken, call, request, times);
            times += fails ? 1 : 0;
            var next = obstacle is null
                ? await TryAsync(context, call, request, response, HasOther(call, broke) ? [.. broke] : [.. brokeAgain, broken.Lease.Instance], unresponsive)
                : null;
            if (gone.IsCancellationRequested)
                return null;
            if (next is null or { Interrupted: Interruption.Diverged })
            {
                // Neither instance is at fault if the texts differ: sampled responses differ.
                var reason = obstacle ?? (next is null ? "no instance could resume it" : "the other instance's response differs, or can't be written");
                ResumptionLog.GivenUp(logger, call.Operation.Name, first.Lease.Instance.Name, cause, reason);
                metrics.RecordContinuation(cause, "failed");
                await EndAsync(context, call, first, response);
                return null;
            }

            if (next.Interrupted is null)
            {
                metrics.RecordContinuation(cause, "succeeded");
                return next;
            }

            metrics.RecordContinuation(cause, "interrupted");
            broken = next;
        }
    }

    /// <summary>The reason why the response cannot be resumed; null if it can.</summary>
    private string? Obstacle(ForwardAttempt broken, BridgeCall call, ResumableRequest? request, int times)
    {
        if (broken.Interrupted == Interruption.Stopped)
            return "the bridge stops";
        if (times >= Settings.MaxContinuations)
            return "too many interruptions";
        if (broken.Interrupted == Interruption.ErrorTold && (call.IsKnownToFail || call.Failures is { FailsEverywhere: true }))
            return "the request fails alike on every instance";
        // The client received nothing: another instance may get the original request.
        if (call.Kept is { HasBegun: false })
            return null;
        if (request is null)
            return "the request can't be parsed exactly";
        if (broken.IsBoundToInstance)
            return "the client disabled resumption";
        if (request.Obstacle is { } obstacle)
            return obstacle;
        return call.Kept is { IsWhole: true } ? null : "the response so far is not only text, or exceeds MaxKept";
    }

    /// <summary>
    /// Whether another instance that has not interrupted this response could resume it at once. If not, one that did so once is better than waiting:
    /// its process may have been replaced.
    /// </summary>
    private bool HasOther(BridgeCall call, HashSet<Instance> broke)
    {
        if (fleet.Current.For(call.Tenant.Instances).Find(call.ModelKey, call.Part)?.For(call.Kept is { HasBegun: true } ? call.Digest : default) is { } model)
            foreach (var placement in model.Usable)
                if (placement.State.IsWarm && placement.Instance.FreeSlots(call.ModelKey) > 0 && !broke.Contains(placement.Instance))
                    return true;
        return false;
    }

    /// <summary>Tries one instance after another, with all plans for each, until one begins.</summary>
    /// <returns>The attempt that began; null if none did.</returns>
    private async Task<ForwardAttempt?> TryAsync(
        HttpContext context, BridgeCall call, ResumableRequest? request, RestartableResponse response, HashSet<Instance> tried, HashSet<Instance> unresponsive)
    {
        var gone = context.RequestAborted;
        for (var go = 0; go < MaxGoes && !gone.IsCancellationRequested; go++)
        {
            // If no other instance has the model, the failed one may succeed the second time: a dead runner is restarted.
            var result = await sender.AcquireAsync(call, tried, InstanceFailure.Refused, gone);
            if (result.Lease is not { } lease)
                return null;
            using (lease)
            {
                // This instance timed out on the same response. A second attempt would take as long without success.
                if (unresponsive.Contains(lease.Instance))
                    return null;
                if (await SendAsync(context, call, request, response, lease, unresponsive) is { } attempt)
                    return attempt;
                if (tried.Add(lease.Instance))
                    continue;
            }

            // It was the last instance: check that it is still reachable before the next attempt.
            await fleet.RefreshCatalogAsync(gone);
        }

        return null;
    }

    private async Task<ForwardAttempt?> SendAsync(
        HttpContext context, BridgeCall call, ResumableRequest? request, RestartableResponse response, InstanceLease lease, HashSet<Instance> unresponsive)
    {
        await foreach (var plan in planner.WaysAsync(call, request, call.Kept!, lease.Instance, context.RequestAborted))
        {
            if (ReferenceEquals(plan, ResumptionPlan.Failed))
                return FailedProbe(call, lease, context.RequestAborted);
            response.Renew();
            call.Kept!.End = default;
            var attempt = await sender.SendAsync(context, call, lease, budget: null, plan);
            if (attempt.Delivered || attempt.Interrupted == Interruption.Diverged)
            {
                lease.Answered = attempt.Interrupted is null;
                if (lease.Answered)
                {
                    call.Failures?.Answered(lease.Instance);
                    // Its speed is unknown: another instance wrote part of the response.
                    outcomes.Succeeded(lease, tokens: 0, decoding: default);
                    // Before the slot is released: the charge decides which request is next.
                    call.SettleKept();
                    call.SettleCharge();
                }

                return attempt;
            }

            if (context.RequestAborted.IsCancellationRequested || attempt.Taken is not null)
                return null;
            if (attempt is { Failure: { } failure, BusyFor: not null })
                NoteFailure(attempt, failure);
            ResumptionLog.Refused(logger, call.Operation.Name, lease.Instance.Name, plan.Path);
            if (attempt.Failure == InstanceFailure.TimedOut)
            {
                // Another plan does not revive it.
                unresponsive.Add(lease.Instance);
                return null;
            }

            if (attempt.Failure != InstanceFailure.Refused)
                continue;
            // The instance is unreachable: try no other plan, and keep other requests away.
            fleet.ReportFailure(lease.Instance, InstanceFailure.Refused);
            return null;
        }

        return null;
    }

    /// <summary>Creates the attempt for a probe of hidden text that ended with an error in the stream. It counts like an error during a resumption.</summary>
    private ForwardAttempt FailedProbe(BridgeCall call, InstanceLease lease, CancellationToken gone)
    {
        var attempt = new ForwardAttempt(call, lease, budget: null, time, gone)
        {
            Plan = ResumptionPlan.Failed,
            Status = StatusCodes.Status200OK,
            Interrupted = Interruption.ErrorTold,
        };
        attempt.TryBegin();
        attempt.Close();
        return attempt;
    }

    private void Note(BridgeCall call, ForwardAttempt broken, Interruption cause)
    {
        (call.Continued ??= []).Add(cause);
        if (call.SilentSince is null || broken.Messages > 0)
            call.SilentSince = Math.Max(broken.SentAt, broken.LastByteAt);
        ResumptionTracing.RecordInterruption(cause);
        if (call.Kept is { } kept)
        {
            kept.EarlierDuration += (long)time.GetElapsedTime(broken.SentAt, Math.Max(broken.SentAt, broken.LastByteAt)).TotalNanoseconds;
            kept.End = default;
        }

        if (cause is Interruption.Drained or Interruption.Stopped)
        {
            // A withdrawn response is no evidence about its instance and models.
            ResumptionLog.Taken(logger, call.Operation.Name, broken.Lease.Instance.Name, cause);
            return;
        }

        NoteFailure(broken, cause switch
        {
            Interruption.Stalled => InstanceFailure.TimedOut,
            Interruption.ErrorTold => MemoryFailure.IsToldBy(broken.Told.Span) ? InstanceFailure.OutOfMemory : InstanceFailure.ServerError,
            Interruption.Unreadable => InstanceFailure.BridgeError,
            _ => InstanceFailure.Broken,
        });
        ResumptionLog.Interrupted(logger, call.Operation.Name, broken.Lease.Instance.Name, cause);
    }

    private void NoteFailure(ForwardAttempt attempt, InstanceFailure failure) =>
        (attempt.Call.Failures ??= new FailedAttempts(attempt.Call, outcomes, repeated)).Add(attempt, failure);

    /// <summary>Ends the stream with an error: the first instance's own one, if it sent one.</summary>
    private static async Task EndAsync(HttpContext context, BridgeCall call, ForwardAttempt first, RestartableResponse response)
    {
        call.Outcome = RequestOutcome.Truncated;
        call.SettleKept();
        response.Renew();
        var told = first.Told;
        var tail = call.Operation.End == StreamEnd.Done && !told.IsEmpty
            ? (byte[])[.. told.Span, (byte)'\n']
            : ProtocolError.StreamTail(call.Operation.End, Word(first.Interrupted!.Value) + "; the response so far is incomplete");
        await ResponseFailure.EndAsync(context, call, tail, StatusCodes.Status502BadGateway);
    }

    private static string Word(Interruption cause) => cause switch
    {
        Interruption.EndedEarly => "the instance ended its response too early",
        Interruption.ErrorTold => "the instance failed during its response",
        Interruption.Unreadable => "the instance sent an unreadable message",
        Interruption.Stalled => "the instance stalled during its response",
        Interruption.InstanceLost => "the instance was lost during its response",
        Interruption.Drained => "the instance was drained during its response",
        Interruption.Stopped => "the bridge stopped during the response",
        _ => "the instance's response broke off",
    };
}

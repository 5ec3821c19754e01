using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Accounting;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Resumption;
using OllamaBridge.Gateway.Scheduling;

namespace OllamaBridge.Gateway.Forwarding;

/// <summary>Resumes an interrupted response on another instance, so that the client receives one complete response; else ends it with an error.</summary>
internal sealed class StreamResumer(
    LeaseAcquirer leases,
    AttemptSender sender,
    ResumptionPlanner planner,
    IFleet fleet,
    PlacementOutcomes outcomes,
    InterruptionRecorder recorder,
    IOptions<ResumptionOptions> options)
{
    // Attempts after one interruption.
    private const int MaxGoes = 8;
    // Interruptions in a row without new text. After these, the request is assumed to fail on every instance.
    private const int MaxWithoutWords = 3;
    private ResumptionOptions Settings => options.Value;

    /// <returns>Null if the response ended with an error or the client has disconnected.</returns>
    public async Task<ForwardAttempt?> ResumeAsync(HttpContext context, ForwardedCall call, ForwardAttempt broken)
    {
        using var response = RestartableResponse.For(context);
        var gone = context.RequestAborted;
        var first = broken;
        var broke = new HashSet<Instance>();
        var brokeAgain = new HashSet<Instance>();
        var unresponsive = new HashSet<Instance>();
        var (words, inVain) = (-1, 0);
        var request = ResumableRequest.Read(call);
        call.Response.WantsUsage = request?.WantsUsage == true;
        for (var times = 0; ;)
        {
            var cause = broken.Interrupted!.Value;
            recorder.RecordInterruption(broken, cause);
            var now = call.Response.Transcript?.Pieces ?? 0;
            // Moving a response is not a failure, however often it happens.
            var fails = cause != Interruption.Drained;
            inVain = now > words || !fails ? 0 : inVain + 1;
            words = now;
            if (!broke.Add(broken.Lease.Instance))
                brokeAgain.Add(broken.Lease.Instance);
            var obstacle = inVain >= MaxWithoutWords ? "repeated interruptions without new text" : Obstacle(broken, call, request, times);
            times += fails ? 1 : 0;
            var next = obstacle is null
                ? await TryAsync(context, broken, request, response, HasOther(call, broke) ? [.. broke] : [.. brokeAgain, broken.Lease.Instance], unresponsive)
                : null;
            if (gone.IsCancellationRequested)
                return null;
            if (next is null or { Interrupted: Interruption.Diverged })
            {
                // Neither instance is at fault if the texts differ: sampled responses differ.
                var reason = obstacle ?? (next is null ? "no instance could resume it" : "the other instance's response differs, or can't be written");
                recorder.RecordGivenUp(first, cause, reason);
                await EndAsync(context, call, first, response);
                return null;
            }

            if (next.Interrupted is null)
            {
                recorder.RecordResumed(cause);
                return next;
            }

            recorder.RecordInterruptedAgain(cause);
            broken = next;
        }
    }

    private string? Obstacle(ForwardAttempt broken, ForwardedCall call, ResumableRequest? request, int times)
    {
        if (broken.Interrupted == Interruption.Stopped)
            return "the bridge stops";
        if (times >= Settings.MaxContinuations)
            return "too many interruptions";
        if (broken.Interrupted == Interruption.ErrorTold && (broken.Faults.IsKnownToFail || broken.Faults.FailsEverywhere))
            return "the request fails alike on every instance";
        // The client received nothing: another instance may get the original request.
        if (call.Response.Transcript is { HasBegun: false })
            return null;
        if (request is null)
            return "the request can't be parsed exactly";
        if (broken.IsBoundToInstance)
            return "the client disabled resumption";
        if (request.Obstacle is { } obstacle)
            return obstacle;
        return call.Response.Transcript is { IsWhole: true } ? null : "the response so far is not only text, or exceeds MaxKept";
    }

    /// <summary>Whether an instance that has not interrupted this response could resume it at once. If not, one that interrupted it is tried again.</summary>
    private bool HasOther(ForwardedCall call, HashSet<Instance> broke)
    {
        if (fleet.Current.For(call.Tenant.Instances).Find(call.Model.Key, call.Model.Part)?.For(call.Response.Transcript is { HasBegun: true } ? call.Response.Digest : default) is { } model)
            foreach (var placement in model.Usable)
                if (placement.State.IsWarm && placement.Instance.FreeSlots(call.Model.Key) > 0 && !broke.Contains(placement.Instance))
                    return true;
        return false;
    }

    private async Task<ForwardAttempt?> TryAsync(
        HttpContext context, ForwardAttempt broken, ResumableRequest? request, RestartableResponse response, HashSet<Instance> tried, HashSet<Instance> unresponsive)
    {
        var gone = context.RequestAborted;
        for (var go = 0; go < MaxGoes && !gone.IsCancellationRequested; go++)
        {
            // If no other instance has the model, the failed one may succeed the second time: a dead runner is restarted.
            var result = await leases.AcquireAsync(broken.Call, tried, InstanceFailure.Refused, gone);
            if (result.Lease is not { } lease)
                return null;
            using (lease)
            {
                // This instance timed out on the same response. A second attempt would take as long without success.
                if (unresponsive.Contains(lease.Instance))
                    return null;
                if (await SendAsync(context, broken, request, response, lease, unresponsive) is { } attempt)
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
        HttpContext context, ForwardAttempt broken, ResumableRequest? request, RestartableResponse response, InstanceLease lease, HashSet<Instance> unresponsive)
    {
        var (call, faults) = (broken.Call, broken.Faults);
        await foreach (var plan in planner.WaysAsync(call, request, call.Response.Transcript!, lease.Instance, context.RequestAborted))
        {
            if (ReferenceEquals(plan, ResumptionPlan.Failed))
                return sender.CreateFailedProbe(call, faults, lease, context.RequestAborted);
            response.Renew();
            call.Response.Transcript!.End = default;
            var attempt = await sender.ResumeAsync(context, call, faults, lease, plan);
            if (attempt.Result.IsDelivered || attempt.Interrupted == Interruption.Diverged)
            {
                lease.Answered = attempt.Interrupted is null;
                if (lease.Answered)
                {
                    faults.Answered(lease.Instance);
                    // Its speed is unknown: another instance wrote part of the response.
                    outcomes.Succeeded(lease, tokens: 0, decoding: default);
                    // Before the slot is released: the charge decides which request is next.
                    call.SettleTranscript();
                    call.SettleCharge();
                }

                return attempt;
            }

            if (context.RequestAborted.IsCancellationRequested || attempt.Withdrawn is not null)
                return null;
            if (attempt.Result is { Failure: { } failure, BusyFor: not null })
                faults.Add(attempt, failure);
            recorder.RecordRefusedPlan(call, lease.Instance, plan);
            if (attempt.Result.Failure == InstanceFailure.TimedOut)
            {
                // Another plan does not revive it.
                unresponsive.Add(lease.Instance);
                return null;
            }

            if (attempt.Result.Failure != InstanceFailure.Refused)
                continue;
            // The instance is unreachable: try no other plan, and keep other requests away.
            fleet.ReportFailure(lease.Instance, InstanceFailure.Refused);
            return null;
        }

        return null;
    }

    private static async Task EndAsync(HttpContext context, ForwardedCall call, ForwardAttempt first, RestartableResponse response)
    {
        call.Result.Outcome = RequestOutcome.Truncated;
        call.SettleTranscript();
        response.Renew();
        var error = first.ErrorLine;
        var tail = call.Operation.End == StreamEnd.Done && !error.IsEmpty
            ? (byte[])[.. error.Span, (byte)'\n']
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

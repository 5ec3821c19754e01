using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Forwarding.Faults;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Scheduling;
using OllamaBridge.Gateway.Telemetry;

namespace OllamaBridge.Gateway.Forwarding.Continuation;

/// <summary>Has an answer that broke off gone on with by another instance, so that the client sees one whole answer; else ends it with an error.</summary>
internal sealed class Continuer(
    AttemptSender sender,
    ContinuationPlanner planner,
    IFleet fleet,
    PlacementOutcomes outcomes,
    RepeatedFailures repeated,
    BridgeMetrics metrics,
    IOptions<ContinuationOptions> options,
    TimeProvider time,
    ILogger<Continuer> logger)
{
    // Instances asked for one break, the one that failed included.
    private const int MaxGoes = 8;
    // Breaks in a row between which not a word came: then it is the request that nobody survives.
    private const int MaxWithoutWords = 3;
    private ContinuationOptions Settings => options.Value;

    /// <summary>Goes on with an answer.</summary>
    /// <param name="context">The request.</param>
    /// <param name="call">What is known of it.</param>
    /// <param name="broken">The sending whose answer broke off.</param>
    /// <returns>The sending that brought it to its end; null where it was ended with an error, or the client has gone.</returns>
    public async Task<ForwardAttempt?> ContinueAsync(HttpContext context, BridgeCall call, ForwardAttempt broken)
    {
        using var response = BegunResponse.For(context);
        var gone = context.RequestAborted;
        var first = broken;
        var broke = new HashSet<Instance>();
        var brokeAgain = new HashSet<Instance>();
        var unresponsive = new HashSet<Instance>();
        var (words, inVain) = (-1, 0);
        var request = ContinuableRequest.Read(call);
        call.WantsUsage = request?.WantsUsage == true;
        for (var times = 0; ;)
        {
            var cause = broken.Interrupted!.Value;
            Note(call, broken, cause);
            var now = call.Kept?.Pieces ?? 0;
            // An answer that is moved fails nobody, however often.
            var fails = cause != Interruption.Drained;
            inVain = now > words || !fails ? 0 : inVain + 1;
            words = now;
            if (!broke.Add(broken.Lease.Instance))
                brokeAgain.Add(broken.Lease.Instance);
            var obstacle = inVain >= MaxWithoutWords ? "it broke off again and again without a word" : Obstacle(broken, call, request, times);
            times += fails ? 1 : 0;
            var next = obstacle is null
                ? await TryAsync(context, call, request, response, HasOther(call, broke) ? [.. broke] : [.. brokeAgain, broken.Lease.Instance], unresponsive)
                : null;
            if (gone.IsCancellationRequested)
                return null;
            if (next is null or { Interrupted: Interruption.Diverged })
            {
                // Neither instance is at fault if it diverged: sampled answers differ.
                var reason = obstacle ?? (next is null ? "no instance could" : "what another instance writes is not the rest of this answer, or cannot be written");
                ContinuationLog.GivenUp(logger, call.Operation.Name, first.Lease.Instance.Name, cause, reason);
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

    /// <summary>Why the answer cannot be gone on with; null where it can.</summary>
    private string? Obstacle(ForwardAttempt broken, BridgeCall call, ContinuableRequest? request, int times)
    {
        if (broken.Interrupted == Interruption.Stopped)
            return "the bridge is being stopped";
        if (times >= Settings.MaxContinuations)
            return "it broke off too often";
        if (broken.Interrupted == Interruption.ErrorTold && (call.IsKnownToFail || call.Failures is { FailsEverywhere: true }))
            return "the request fails alike on every instance";
        // Nothing was sent: another may have the request as it came.
        if (call.Kept is { HasBegun: false })
            return null;
        if (request is null)
            return "the request cannot be read to the letter";
        if (broken.IsBoundToInstance)
            return "the client does not want it";
        if (request.Obstacle is { } obstacle)
            return obstacle;
        return call.Kept is { IsWhole: true } ? null : "what was sent is not text alone, or too much to keep";
    }

    /// <summary>Whether somebody could go on at once who has not broken it off yet. Else who did so once is better than waiting: it may be another process by now.</summary>
    private bool HasOther(BridgeCall call, HashSet<Instance> broke)
    {
        if (fleet.Current.For(call.Tenant.Instances).Find(call.ModelKey, call.Part)?.For(call.Kept is { HasBegun: true } ? call.Digest : default) is { } model)
            foreach (var placement in model.Usable)
                if (placement.State.IsWarm && placement.Instance.FreeSlots(call.ModelKey) > 0 && !broke.Contains(placement.Instance))
                    return true;
        return false;
    }

    /// <summary>Asks one instance after another, and each in all ways that there are, until one begins.</summary>
    /// <returns>The sending that began; null where none did.</returns>
    private async Task<ForwardAttempt?> TryAsync(
        HttpContext context, BridgeCall call, ContinuableRequest? request, BegunResponse response, HashSet<Instance> tried, HashSet<Instance> unresponsive)
    {
        var gone = context.RequestAborted;
        for (var go = 0; go < MaxGoes && !gone.IsCancellationRequested; go++)
        {
            // Where no other has the model, the one that failed may do better the second time: a runner that died is started anew.
            var result = await sender.AcquireAsync(call, tried, InstanceFailure.Refused, gone);
            if (result.Lease is not { } lease)
                return null;
            using (lease)
            {
                // It has let this very answer time out already: a second time would cost as long, for nothing.
                if (unresponsive.Contains(lease.Instance))
                    return null;
                if (await SendAsync(context, call, request, response, lease, unresponsive) is { } attempt)
                    return attempt;
                if (tried.Add(lease.Instance))
                    continue;
            }

            // It was the last one: whether it is still there must be known before it is asked again.
            await fleet.RefreshCatalogAsync(gone);
        }

        return null;
    }

    private async Task<ForwardAttempt?> SendAsync(
        HttpContext context, BridgeCall call, ContinuableRequest? request, BegunResponse response, InstanceLease lease, HashSet<Instance> unresponsive)
    {
        await foreach (var plan in planner.WaysAsync(call, request, call.Kept!, lease.Instance, context.RequestAborted))
        {
            if (ReferenceEquals(plan, ContinuationPlan.Failed))
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
                    // How fast it was nobody can tell: part of the answer is another's.
                    outcomes.Succeeded(lease, tokens: 0, decoding: default);
                    // Before the slot goes to the next: whose turn it is depends on what this one took.
                    call.SettleKept();
                    call.SettleCharge();
                }

                return attempt;
            }

            if (context.RequestAborted.IsCancellationRequested || attempt.Taken is not null)
                return null;
            if (attempt is { Failure: { } failure, BusyFor: not null })
                NoteFailure(attempt, failure);
            ContinuationLog.Refused(logger, call.Operation.Name, lease.Instance.Name, plan.Path);
            if (attempt.Failure == InstanceFailure.TimedOut)
            {
                // Another way of asking does not revive it.
                unresponsive.Add(lease.Instance);
                return null;
            }

            if (attempt.Failure != InstanceFailure.Refused)
                continue;
            // Nobody listens there: not to be asked in another way, nor by the next.
            fleet.ReportFailure(lease.Instance, InstanceFailure.Refused);
            return null;
        }

        return null;
    }

    /// <summary>An instance that told an error while it wrote hidden text again has failed the answer in the same way as one that tells it while it resumes.</summary>
    private ForwardAttempt FailedProbe(BridgeCall call, InstanceLease lease, CancellationToken gone)
    {
        var attempt = new ForwardAttempt(call, lease, budget: null, time, gone)
        {
            Plan = ContinuationPlan.Failed,
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
        BridgeTracing.RecordInterruption(cause);
        if (call.Kept is { } kept)
        {
            kept.EarlierDuration += (long)time.GetElapsedTime(broken.SentAt, Math.Max(broken.SentAt, broken.LastByteAt)).TotalNanoseconds;
            kept.End = default;
        }

        if (cause is Interruption.Drained or Interruption.Stopped)
        {
            // That it is taken away says nothing of an instance, nor of its models.
            ContinuationLog.Taken(logger, call.Operation.Name, broken.Lease.Instance.Name, cause);
            return;
        }

        NoteFailure(broken, cause switch
        {
            Interruption.Stalled => InstanceFailure.TimedOut,
            Interruption.ErrorTold => MemoryFailure.IsToldBy(broken.Told.Span) ? InstanceFailure.OutOfMemory : InstanceFailure.ServerError,
            Interruption.Unreadable => InstanceFailure.BridgeError,
            _ => InstanceFailure.Broken,
        });
        ContinuationLog.Interrupted(logger, call.Operation.Name, broken.Lease.Instance.Name, cause);
    }

    private void NoteFailure(ForwardAttempt attempt, InstanceFailure failure) =>
        (attempt.Call.Failures ??= new FailedAttempts(attempt.Call, outcomes, repeated)).Add(attempt, failure);

    /// <summary>Ends the stream with an error: the first instance's own words, where it had some.</summary>
    private static async Task EndAsync(HttpContext context, BridgeCall call, ForwardAttempt first, BegunResponse response)
    {
        call.Outcome = CallOutcome.Truncated;
        call.SettleKept();
        response.Renew();
        var told = first.Told;
        var tail = call.Operation.End == StreamEnd.Done && !told.IsEmpty
            ? (byte[])[.. told.Span, (byte)'\n']
            : ProtocolError.StreamTail(call.Operation.End, Word(first.Interrupted!.Value) + "; what was sent so far is not complete");
        await AnswerFailure.EndAsync(context, call, tail, StatusCodes.Status502BadGateway);
    }

    private static string Word(Interruption cause) => cause switch
    {
        Interruption.EndedEarly => "the instance ended its answer too early",
        Interruption.ErrorTold => "the instance failed in the middle of its answer",
        Interruption.Unreadable => "the instance sent something that cannot be read",
        Interruption.Stalled => "the instance stood still in the middle of its answer",
        Interruption.InstanceLost => "the instance was lost in the middle of its answer",
        Interruption.Drained => "the instance was taken away in the middle of its answer",
        Interruption.Stopped => "the bridge was stopped in the middle of the answer",
        _ => "the instance broke off its answer",
    };
}

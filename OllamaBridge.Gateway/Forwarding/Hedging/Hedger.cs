using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Forwarding.Fallback;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Queueing;
using OllamaBridge.Gateway.Resumption;
using OllamaBridge.Gateway.Scheduling;

namespace OllamaBridge.Gateway.Forwarding.Hedging;

/// <summary>Sends a late request to a second instance, unless another request would have to wait or a model would be evicted.</summary>
internal sealed class Hedger(
    AttemptSender sender,
    RequestQueue queue,
    FirstTokenTimes times,
    HedgeBudget budget,
    ForwardingMetrics metrics,
    IOptions<HedgingOptions> options,
    TimeProvider time)
{
    private HedgingOptions Settings => options.Value;

    /// <summary>A failed attempt that does not become the result is recorded here. <paramref name="retries"/> is null if no retry is left.</summary>
    public async Task<HedgedAttempt> SendAsync(HttpContext context, ModelTries tries, InstanceLease lease, RetryBudget? retries)
    {
        var call = tries.Call;
        if (!Settings.Enabled || tries.Faults.IsKnownToFail || call.Operation.Kind != OperationKind.Inference || call.Target.IsUnload || call.Body is null || call.Model.Key.Length == 0)
            return new HedgedAttempt(await sender.SendAsync(context, tries, lease, retries));
        budget.Deposit();
        if (Wait(call, lease) is not { } wait)
            return new HedgedAttempt(await sender.SendAsync(context, tries, lease, retries));

        var race = new HedgeRace();
        var first = Begin(context, tries, lease, retries, race);
        if (!await IsLateAsync(first.Sending, race, wait, context.RequestAborted) || TryTake(tries, lease) is not { } lease2)
            return new HedgedAttempt(await first.EndAsync());
        var second = Begin(context, tries, lease2, retries: null, race);
        await Task.WhenAny(race.Won, Task.WhenAll(first.Sending, second.Sending));
        var hasWon = race.Won.IsCompletedSuccessfully && race.Won.Result.Lease == lease2;
        metrics.RecordHedge(hasWon ? "won" : race.Won.IsCompletedSuccessfully ? "lost" : context.RequestAborted.IsCancellationRequested ? "cancelled" : "failed");
        var (mine, other) = hasWon ? (second, first) : (first, second);
        // A cancelled or failed attempt releases its slot at once, however long the response takes.
        var ending = other.LoseAsync();
        try
        {
            return new HedgedAttempt(await mine.EndAsync(), await ending, lease2);
        }
        catch
        {
            await ((Task)ending).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            lease2.Dispose();
            throw;
        }
    }

    private TimeSpan? Wait(ForwardedCall call, InstanceLease lease)
    {
        var isWhole = !call.Streams;
        if (times.Within(call.Model.Key, isWhole, Settings.Percentile, Settings.MinSamples) is not { } usual)
            return null;
        // A long prompt takes longer.
        var ofLength = TimeSpan.FromSeconds(isWhole ? 0 : Math.Min(lease.Placement.State.LongestSecondsPerByte * call.Body!.Length, 86_400));
        var wait = usual > ofLength ? usual : ofLength;
        return wait > Settings.MinWait ? wait : Settings.MinWait;
    }

    private Runner Begin(HttpContext context, ModelTries tries, InstanceLease lease, RetryBudget? retries, HedgeRace race)
    {
        var own = HedgeContext.Of(context);
        return new Runner(own, lease, sender.SendAsync(own.Context, tries, lease, retries, race));
    }

    private async Task<bool> IsLateAsync(Task sending, HedgeRace race, TimeSpan wait, CancellationToken gone)
    {
        using var end = CancellationTokenSource.CreateLinkedTokenSource(gone);
        var late = Task.Delay(wait, time, end.Token);
        var ended = await Task.WhenAny(sending, race.Won, late);
        await end.CancelAsync();
        return ended == late && late.IsCompletedSuccessfully;
    }

    private InstanceLease? TryTake(ModelTries tries, InstanceLease lease)
    {
        var call = tries.Call;
        if (!budget.TryWithdraw())
            return null;
        var second = queue.TryHedge(new LeaseRequest
        {
            Model = new ModelSelector(call.Model.Key, call.Model.Part, DigestPin.Of(lease.Placement)),
            NeedsSlot = true,
            Owner = new LeaseOwner { Tenant = call.Tenant },
            Conversation = new ConversationHints(call.Facts.Affinity),
            Instances = new InstanceRules { Tried = [lease.Instance, .. tries.Tried ?? []] },
        });
        if (second is null)
            budget.Return();
        return second;
    }

    private sealed record Runner(HedgeContext Context, InstanceLease Lease, Task<ForwardAttempt> Sending)
    {
        public async Task<ForwardAttempt> EndAsync()
        {
            var attempt = await Sending;
            if (attempt.Result.IsDelivered)
                Context.Complete();
            return attempt;
        }

        public async Task<ForwardAttempt> LoseAsync()
        {
            using (Lease)
            {
                var attempt = await Sending;
                if (attempt is { Result.Failure: { } failure, Withdrawn: null })
                    attempt.Faults.Add(attempt, failure);
                return attempt;
            }
        }
    }
}

/// <summary><paramref name="Attempt"/> is the first one if none has a response. <paramref name="Lease"/> is disposed when the request is settled.</summary>
internal readonly record struct HedgedAttempt(ForwardAttempt Attempt, ForwardAttempt? Other = null, InstanceLease? Lease = null) : IDisposable
{
    public void Dispose() => Lease?.Dispose();
}

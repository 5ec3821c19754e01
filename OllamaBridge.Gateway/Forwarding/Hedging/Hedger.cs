using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Queueing;
using OllamaBridge.Gateway.Scheduling;
using OllamaBridge.Gateway.Telemetry;

namespace OllamaBridge.Gateway.Forwarding.Hedging;

/// <summary>
/// Sends a request. If its first token is late compared with the model's recent ones, sends it to a second instance as well: the first response
/// wins, the other attempt is cancelled. Makes no second attempt that would make another request wait or evict a model from memory.
/// </summary>
internal sealed class Hedger(
    AttemptSender sender,
    RequestQueue queue,
    FirstTokenTimes times,
    HedgeBudget budget,
    BridgeMetrics metrics,
    IOptions<HedgingOptions> options,
    TimeProvider time)
{
    private HedgingOptions Settings => options.Value;

    /// <summary>Sends the request. The <paramref name="lease"/> is released early if only the second instance responds.</summary>
    /// <remarks>
    /// <paramref name="retries"/> is the budget for another attempt; null if none is left. <paramref name="tried"/> are the instances that failed the
    /// request; null if there are none. <paramref name="failed"/> is called for an attempt that failed although the other one got a response, and for
    /// the second of two failed attempts.
    /// </remarks>
    public async Task<HedgedAttempt> SendAsync(
        HttpContext context,
        BridgeCall call,
        InstanceLease lease,
        RetryBudget? retries,
        IReadOnlyCollection<Instance>? tried,
        Action<ForwardAttempt> failed)
    {
        if (!Settings.Enabled || call.IsKnownToFail || call.Operation.Kind != OperationKind.Inference || call.IsUnload || call.Body is null || call.ModelKey.Length == 0)
            return new HedgedAttempt(await sender.SendAsync(context, call, lease, retries));
        budget.Deposit();
        if (Wait(call, lease) is not { } wait)
            return new HedgedAttempt(await sender.SendAsync(context, call, lease, retries));

        var race = new HedgeRace();
        var first = Begin(context, call, lease, retries, race);
        if (!await IsLateAsync(first.Sending, race, wait, context.RequestAborted) || TryTake(call, lease, tried) is not { } lease2)
            return new HedgedAttempt(await first.EndAsync());
        var second = Begin(context, call, lease2, retries: null, race);
        await Task.WhenAny(race.Won, Task.WhenAll(first.Sending, second.Sending));
        var hasWon = race.Won.IsCompletedSuccessfully && race.Won.Result.Lease == lease2;
        metrics.RecordHedge(hasWon ? "won" : race.Won.IsCompletedSuccessfully ? "lost" : context.RequestAborted.IsCancellationRequested ? "cancelled" : "failed");
        var (mine, other) = hasWon ? (second, first) : (first, second);
        // A cancelled or failed attempt releases its slot at once, however long the response takes.
        var ending = other.LoseAsync(failed);
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

    /// <summary>The longest time to the first token that is not late; null if it is unknown.</summary>
    private TimeSpan? Wait(BridgeCall call, InstanceLease lease)
    {
        var isWhole = !(call.Facts.Stream ?? call.Operation.StreamsByDefault);
        if (times.Within(call.ModelKey, isWhole, Settings.Percentile, Settings.MinSamples) is not { } usual)
            return null;
        // A long prompt takes longer.
        var ofLength = TimeSpan.FromSeconds(isWhole ? 0 : Math.Min(lease.Placement.State.LongestSecondsPerByte * call.Body!.Length, 86_400));
        var wait = usual > ofLength ? usual : ofLength;
        return wait > Settings.MinWait ? wait : Settings.MinWait;
    }

    private Runner Begin(HttpContext context, BridgeCall call, InstanceLease lease, RetryBudget? retries, HedgeRace race)
    {
        var own = HedgeContext.Of(context);
        return new Runner(own, lease, sender.SendAsync(own.Context, call, lease, retries, race: race));
    }

    private async Task<bool> IsLateAsync(Task sending, HedgeRace race, TimeSpan wait, CancellationToken gone)
    {
        using var end = CancellationTokenSource.CreateLinkedTokenSource(gone);
        var late = Task.Delay(wait, time, end.Token);
        var ended = await Task.WhenAny(sending, race.Won, late);
        await end.CancelAsync();
        return ended == late && late.IsCompletedSuccessfully;
    }

    private InstanceLease? TryTake(BridgeCall call, InstanceLease lease, IReadOnlyCollection<Instance>? tried)
    {
        if (!budget.TryWithdraw())
            return null;
        var second = queue.TryHedge(new LeaseRequest
        {
            Model = new ModelSelector(call.ModelKey, call.Part, DigestPin.Of(lease.Placement)),
            NeedsSlot = true,
            Owner = new LeaseOwner { Tenant = call.Tenant },
            Conversation = new ConversationHints(call.Facts.Affinity),
            Instances = new InstanceRules { Tried = [lease.Instance, .. tried ?? []] },
        });
        if (second is null)
            budget.Return();
        return second;
    }

    private sealed record Runner(HedgeContext Context, InstanceLease Lease, Task<ForwardAttempt> Sending)
    {
        /// <summary>Waits for the attempt's end. The lease is released when the request is settled.</summary>
        public async Task<ForwardAttempt> EndAsync()
        {
            var attempt = await Sending;
            if (attempt.Delivered)
                Context.Complete();
            return attempt;
        }

        /// <summary>Waits for the end of the losing attempt and releases its lease.</summary>
        public async Task<ForwardAttempt> LoseAsync(Action<ForwardAttempt> failed)
        {
            using (Lease)
            {
                var attempt = await Sending;
                if (attempt is { Failure: not null, Taken: null })
                    failed(attempt);
                return attempt;
            }
        }
    }
}

/// <summary>The result of sending a request that may have been hedged.</summary>
/// <param name="Attempt">The attempt with a response; the first one if neither has one.</param>
/// <param name="Other">The other attempt; null if there was none.</param>
/// <param name="Lease">The lease of the second attempt, to be disposed when the request is settled.</param>
internal readonly record struct HedgedAttempt(ForwardAttempt Attempt, ForwardAttempt? Other = null, InstanceLease? Lease = null) : IDisposable
{
    public void Dispose() => Lease?.Dispose();
}

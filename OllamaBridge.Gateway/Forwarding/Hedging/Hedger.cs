using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Admission;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Scheduling;
using OllamaBridge.Gateway.Telemetry;

namespace OllamaBridge.Gateway.Forwarding.Hedging;

/// <summary>
/// Sends a request, and where its first token is late by what its model's took lately, to a second instance as well: the first that answers
/// wins, the other is cancelled. Never where that would make anybody wait, or throw a model out of memory.
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

    /// <summary>Sends it.</summary>
    /// <param name="context">The request.</param>
    /// <param name="call">What is known of it.</param>
    /// <param name="lease">The right to the first instance. Given back early where only the second answers.</param>
    /// <param name="retries">Where another try would be taken from; null where there is none left.</param>
    /// <param name="tried">Instances that have failed it; null for none.</param>
    /// <param name="failed">Told of a sending that failed while another answered, or was the second of two that failed.</param>
    public async Task<HedgedSending> SendAsync(
        HttpContext context,
        BridgeCall call,
        InstanceLease lease,
        RetryBudget? retries,
        IReadOnlyCollection<Instance>? tried,
        Action<ForwardAttempt> failed)
    {
        if (!Settings.Enabled || call.IsKnownToFail || call.Operation.Kind != OperationKind.Inference || call.IsUnload || call.Body is null || call.ModelKey.Length == 0)
            return new HedgedSending(await sender.SendAsync(context, call, lease, retries));
        budget.Deposit();
        if (Wait(call, lease) is not { } wait)
            return new HedgedSending(await sender.SendAsync(context, call, lease, retries));

        var race = new HedgeRace();
        var first = Begin(context, call, lease, retries, race);
        if (!await IsLateAsync(first.Sending, race, wait, context.RequestAborted) || TryTake(call, lease, tried) is not { } lease2)
            return new HedgedSending(await first.EndAsync());
        var second = Begin(context, call, lease2, retries: null, race);
        await Task.WhenAny(race.Won, Task.WhenAll(first.Sending, second.Sending));
        var hasWon = race.Won.IsCompletedSuccessfully && race.Won.Result.Lease == lease2;
        metrics.RecordHedge(hasWon ? "won" : race.Won.IsCompletedSuccessfully ? "lost" : context.RequestAborted.IsCancellationRequested ? "cancelled" : "failed");
        var (mine, other) = hasWon ? (second, first) : (first, second);
        // What is cancelled, or has failed, gives its slot back at once, however long the answer takes.
        var ending = other.LoseAsync(failed);
        try
        {
            return new HedgedSending(await mine.EndAsync(), await ending, lease2);
        }
        catch
        {
            await ((Task)ending).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            lease2.Dispose();
            throw;
        }
    }

    /// <summary>How long the first token may take; null where nobody knows.</summary>
    private TimeSpan? Wait(BridgeCall call, InstanceLease lease)
    {
        var isWhole = !(call.Facts.Stream ?? call.Operation.StreamsByDefault);
        if (times.Within(call.ModelKey, isWhole, Settings.Percentile, Settings.MinSamples) is not { } usual)
            return null;
        // A long prompt takes its time.
        var ofLength = TimeSpan.FromSeconds(isWhole ? 0 : Math.Min(lease.Placement.State.SecondsPerByte * call.Body!.Length, 86_400));
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
        var second = queue.TryHedge(new LeaseRequest(
            call.ModelKey, call.Facts.Affinity, NeedsSlot: true, Tried: [lease.Instance, .. tried ?? []], Tenant: call.Tenant, Part: call.Part) { Digest = DigestPin.Of(lease.Placement) });
        if (second is null)
            budget.Return();
        return second;
    }

    /// <summary>One of the sendings.</summary>
    private sealed record Runner(HedgeContext Context, InstanceLease Lease, Task<ForwardAttempt> Sending)
    {
        /// <summary>Waits for its end; whoever settles the request gives its slot back.</summary>
        public async Task<ForwardAttempt> EndAsync()
        {
            var attempt = await Sending;
            if (attempt.Delivered)
                Context.Complete();
            return attempt;
        }

        /// <summary>Waits for its end, which is not the request's.</summary>
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

/// <summary>What came of a sending.</summary>
/// <param name="Attempt">The one that answered; where none did, the first.</param>
/// <param name="Other">The other one; null where there was none.</param>
/// <param name="Lease">The second one's lease, to be given back when the request is settled.</param>
internal readonly record struct HedgedSending(ForwardAttempt Attempt, ForwardAttempt? Other = null, InstanceLease? Lease = null) : IDisposable
{
    /// <inheritdoc/>
    public void Dispose() => Lease?.Dispose();
}

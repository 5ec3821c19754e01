using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Quotas;
using OllamaBridge.Gateway.Scheduling;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Queueing;

/// <summary>Serves waiting requests, and ends the waits that are over. Guarded by the lock of <see cref="RequestQueue"/>.</summary>
internal sealed class QueueDispatcher(
    ModelQueues queues, LeaseAllocator leases, RefusalFactory refusals, ChargeFactory charges, IOptions<QueueOptions> options, TimeProvider time)
{
    private long Patience => (long)(options.Value.BatchPatience.TotalSeconds * time.TimestampFrequency);

    /// <summary>Serves waiting requests; none is tried behind one of its model that must wait. A <paramref name="tick"/> also checks all deadlines.</summary>
    public void Dispatch(FleetSnapshot fleet, bool tick)
    {
        var now = time.GetTimestamp();
        for (var i = queues.Busy.Count - 1; i >= 0; i--)
        {
            var queue = queues.Busy[i];
            if (tick && queue[Priority.Batch].Count > 0)
                queue.Promote(now - Patience);
            for (var node = queue.Front.First; node is not null;)
            {
                var waiter = node.Value;
                node = node.Next;
                End(waiter, Serve(waiter, fleet, now, waiter.Since, out _));
            }

            queue.Blocked = null;
            queue.Choose();
        }

        while (queues.FirstUntried() is { Next: { } waiter } queue)
        {
            // The wait of the whole class decides whether another model may be evicted, not the wait of the request that is next.
            if (!End(waiter, Serve(waiter, fleet, now, queue[waiter.Class].OldestSince(), out var outcome)))
                queue.Blocked = outcome;
            else
                queue.Choose();
        }

        if (tick)
            EndOverdue(fleet, now);
    }

    /// <summary>Ends the waits, other than those of the next requests, that are over.</summary>
    private void EndOverdue(FleetSnapshot fleet, long now)
    {
        List<(Waiter Waiter, LeaseResult Result)>? over = null;
        foreach (var queue in queues.Busy)
            for (var priority = Priority.Interactive; priority <= Priority.Batch; priority++)
                foreach (var line in queue[priority].Lines)
                    foreach (var waiter in line.Waiters)
                        if (waiter != queue.Next && Overdue(waiter, fleet, now, queue.Blocked ?? SchedulingOutcome.Busy) is { } result)
                            (over ??= []).Add((waiter, result));
        foreach (var (waiter, result) in over ?? [])
            End(waiter, result);
    }

    /// <remarks><paramref name="since"/> is the start, in ticks, of the wait that counts for the scheduler's SpillAfter and SwapAfter.</remarks>
    private LeaseResult? Serve(Waiter waiter, FleetSnapshot fleet, long now, long since, out SchedulingOutcome outcome)
    {
        outcome = default;
        if (waiter.Request.Find(fleet, out var isOtherDigest) is not { } model)
            return refusals.WithoutModel(waiter.Request, fleet, isOtherDigest);
        if (waiter.IsPastDeadline(now))
            return refusals.Create(LeaseRefusal.DeadlinePassed, waiter);
        if (leases.TryTake(model, waiter.Request, now - since, out outcome) is { } lease)
            return new LeaseResult(lease, LeaseRefusal.None, TimeSpan.Zero);
        // Although instances of other regions are busy, this region's tier is being started, and the start timeout applies.
        if (model.IsAsleep)
            outcome = SchedulingOutcome.NoneUsable;
        return outcome == SchedulingOutcome.AllTried ? refusals.Create(LeaseRefusal.AllTried) : Overdue(waiter, fleet, now, outcome);
    }

    private LeaseResult? Overdue(Waiter waiter, FleetSnapshot fleet, long now, SchedulingOutcome outcome)
    {
        waiter.NoteOutcome(outcome, now, time);
        // If instances of the tier exist, but are ejected after failures, the tier is not being started.
        var isStarting = waiter is { Tier: not null, LacksInstance: true } && waiter.Queue.Key.Find(fleet) is { IsAsleep: true };
        var refusal = WaitPolicy.CheckWait(waiter.Progress(now, isStarting, time), options.Value);
        return refusal == LeaseRefusal.None ? null : refusals.Create(refusal, waiter);
    }

    public void EndAll(ModelQueue queue, in LeaseResult result)
    {
        while (queue.First is { } first)
            End(first, result);
    }

    /// <returns>Whether the wait ended.</returns>
    public bool End(Waiter waiter, LeaseResult? result)
    {
        if (result is not { } ended)
            return false;
        waiter.Complete(ended with { Charge = Remove(waiter, served: ended.Lease is not null), Queue = waiter.Queue.Key });
        return true;
    }

    public TokenCharge Remove(Waiter waiter, bool served)
    {
        var charge = charges.ChargeLeaving(waiter, served);
        queues.Remove(waiter);
        return charge;
    }
}

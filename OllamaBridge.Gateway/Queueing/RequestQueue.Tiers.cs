using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Scheduling;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Queueing;

/// <summary>The waiting requests for the models of a cold tier.</summary>
/// <remarks><paramref name="Starving"/> counts those of them that no running instance can serve.</remarks>
internal readonly record struct TierDemand(int Waiting, int Starving);

/// <content>Requests that wait for the start of a tier.</content>
internal sealed partial class RequestQueue
{
    /// <summary>Raised when a request starts to wait that no running instance can serve, so that its model's tier must be started.</summary>
    public event Action<ColdTier>? Starved;

    public TierDemand DemandOn(ColdTier tier)
    {
        if (Count == 0)
            return default;
        var (waiting, starving) = (0, 0);
        lock (_lock)
            foreach (var queue in _busy)
                if (Wanted(queue) is { } model && model.Tier == tier)
                {
                    waiting += queue.Count;
                    starving += model.IsAsleep ? queue.Count : 0;
                }

        return new TierDemand(waiting, starving);
    }

    /// <summary>Refuses the waiting requests for a tier that will not be started, unless another region can serve them.</summary>
    public void RefuseStarving(ColdTier tier, TimeSpan retryAfter)
    {
        var result = new LeaseResult(null, LeaseRefusal.StartRefused, retryAfter);
        lock (_lock)
            foreach (var queue in _busy.ToArray())
                if (Wanted(queue) is { IsAsleep: true } model && model.Tier == tier && !IsAwakeElsewhere(model))
                    EndAll(queue, result);
    }

    /// <summary>Whether a waiting request could use a free slot. Requests for a tier that is being started can't.</summary>
    private bool AnyWaitsForASlot()
    {
        if (Count == 0)
            return false;
        lock (_lock)
            return _busy.Exists(queue => Wanted(queue) is not { IsAsleep: true });
    }

    private ModelView? Wanted(ModelQueue queue) => _fleet.Current.For(queue.Key.Access).Find(queue.Key.Model, queue.Key.Part);

    private static bool IsAwakeElsewhere(ModelView model) => model.HasPeers && model.Usable.Any(u => u.Instance.IsPeer && u.Instance.PeerCanServe(model.Key));

    private void EndAll(ModelQueue queue, in LeaseResult result)
    {
        while (queue.Front.First is { } first)
            End(first.Value, result);
        for (var priority = Priority.Interactive; priority <= Priority.Batch; priority++)
            while (queue[priority].Lines is [var line, ..])
                End(line.Waiters.First!.Value, result);
    }

    /// <summary>Records whether an instance could serve a request.</summary>
    /// <returns>The time for which no instance could serve it until now.</returns>
    private TimeSpan NoteInstance(Waiter waiter, long now, SchedulingOutcome outcome)
    {
        if (outcome == SchedulingOutcome.NoneUsable)
        {
            if (waiter.WithoutInstanceSince == 0)
                waiter.WithoutInstanceSince = now;
            return _time.GetElapsedTime(waiter.WithoutInstanceSince, now);
        }

        if (waiter.WithoutInstanceSince != 0)
            waiter.Started += _time.GetElapsedTime(waiter.WithoutInstanceSince, now);
        waiter.WithoutInstanceSince = 0;
        return TimeSpan.Zero;
    }
}

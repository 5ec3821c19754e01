using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Identity;
using OllamaBridge.Gateway.Scheduling;

namespace OllamaBridge.Gateway.Admission;

/// <summary>Who waits for the models of a cold tier.</summary>
/// <param name="Waiting">All of them.</param>
/// <param name="Starving">Those that no instance can be given to, however long they wait.</param>
internal readonly record struct TierDemand(int Waiting, int Starving);

/// <content>Those who wait for what must be started first.</content>
internal sealed partial class RequestQueue
{
    /// <summary>Raised when a request begins to wait that no instance can be given to: its model's tier is to be started.</summary>
    public event Action<ColdTier>? Starved;

    /// <summary>Who waits for a tier's models.</summary>
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

    /// <summary>Sends those away who wait for a tier that will not be started, and whom no other region can help.</summary>
    /// <param name="tier">The tier.</param>
    /// <param name="retryAfter">When it may be worth to try again.</param>
    public void RefuseStarving(ColdTier tier, TimeSpan retryAfter)
    {
        var result = new LeaseResult(null, LeaseRefusal.StartRefused, retryAfter);
        lock (_lock)
            foreach (var queue in _busy.ToArray())
                if (Wanted(queue) is { IsAsleep: true } model && model.Tier == tier && !IsAwakeElsewhere(model))
                    EndAll(queue, result);
    }

    /// <summary>Whether a slot could be of use to anybody who waits: not to those whose tier is being started.</summary>
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

    /// <summary>Writes down whether an instance could be given to a request.</summary>
    /// <returns>For how long now none could.</returns>
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

using OllamaBridge.Gateway.Common;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Scheduling;

namespace OllamaBridge.Gateway.Queueing;

/// <summary>Takes leases on the instances that the scheduler selects.</summary>
internal sealed class LeaseAllocator
{
    // Another request may take the slot between the decision and the lease. The maximum number of decisions in such a race.
    private const int MaxDecisions = 8;
    private readonly Scheduler _scheduler;
    private readonly ConversationAffinity _conversations;
    private readonly TimeProvider _time;
    private readonly Action _released;

    public LeaseAllocator(Scheduler scheduler, ConversationAffinity conversations, TimeProvider time)
    {
        _scheduler = scheduler;
        _conversations = conversations;
        _time = time;
        _released = () => Released?.Invoke();
    }

    public event Action? Released;

    /// <summary><paramref name="waited"/> is in <see cref="TimeProvider.GetTimestamp"/>'s ticks.</summary>
    public InstanceLease? TryTake(ModelView model, in LeaseRequest request, long waited, out SchedulingOutcome outcome)
    {
        var started = request.Wait.Span is null ? default : _time.GetWallClock();
        var affinity = request.Conversation.Affinity;
        var place = request.NeedsSlot ? _conversations.Find(affinity, request.Model.Key) : null;
        for (var n = 0; n < MaxDecisions; n++)
        {
            var decision = _scheduler.Decide(new SchedulingRequest(
                model, affinity, request.Instances.Tried, request.Instances.Only, request.NeedsSlot, _time.GetTimestamp(), waited)
            {
                NoRetry = request.Instances.NoRetry,
                Home = request.Conversation.Home,
                Stays = request.Conversation.Stays,
                Place = place,
                Bytes = request.Bytes,
            });
            outcome = decision.Outcome;
            if (decision.Placement is not { } placement)
                return null;
            if ((request.NeedsSlot ? InstanceLease.TryTake(placement, _released, _time, decision.GoSlowly, decision.Spill) : InstanceLease.WithoutSlot(placement, _time)) is { } lease)
            {
                // A retry uses another instance once; the conversation's next request returns to the instance before.
                if (request.NeedsSlot && request.Instances.Tried is not { Count: > 0 })
                    _conversations.Note(affinity, request.Model.Key, lease.Instance);
                QueueTracing.RecordDecision(request.Wait.Span, started, model, lease);
                return lease;
            }
        }

        outcome = SchedulingOutcome.Busy;
        return null;
    }

    /// <summary>Takes a lease only if a slot is free on an instance of this region with the model in memory.</summary>
    public InstanceLease? TryTakeLoaded(ModelView model, in LeaseRequest request)
    {
        // A hedge is no reason for a spill-over to another region.
        if (model.HasPeers)
            model = model.Regions.Here;
        var decision = _scheduler.Decide(new SchedulingRequest(
            model, request.Conversation.Affinity, request.Instances.Tried, request.Instances.Only, NeedsSlot: true, _time.GetTimestamp(), Waited: 0)
        { NoRetry = true });
        return decision.Placement is { State.HasLoadedWeights: true } placement
            ? InstanceLease.TryTake(placement, _released, _time, decision.GoSlowly)
            : null;
    }
}

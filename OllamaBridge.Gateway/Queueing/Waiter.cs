using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Scheduling;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Queueing;

internal sealed class Waiter(LeaseRequest request, ModelQueue queue, ModelState model, long since, long order)
{
    private readonly TaskCompletionSource<LeaseResult> _done = new(TaskCreationOptions.RunContinuationsAsynchronously);
    // The time since which no usable instance has the model, in ticks; 0 while one has.
    private long _withoutInstanceSince;
    // The total time without a usable instance, before one became available. With a tier, it doesn't count as a wait for a slot.
    private TimeSpan _started;

    public LeaseRequest Request { get; } = request;

    public Tenant Tenant { get; } = request.Owner.Tenant;

    /// <summary>The current class: a batch request that has waited for <see cref="QueueOptions.BatchPatience"/> becomes interactive.</summary>
    public Priority Class { get; set; } = request.Owner.Priority;

    public ModelQueue Queue { get; } = queue;

    public ModelState Model { get; } = model;

    /// <summary>The arrival, in <see cref="TimeProvider.GetTimestamp"/>'s ticks.</summary>
    public long Since { get; } = since;

    /// <summary>The arrival number over all models; ascending.</summary>
    public long Order { get; } = order;

    /// <summary>Its tenant's line; null if it waits before all lines.</summary>
    public TenantLine? Line { get; set; }

    /// <summary>Its node in the line or at the front; null after it has left the queue.</summary>
    public LinkedListNode<Waiter>? Node { get; set; }

    public ColdTier? Tier { get; init; }

    public bool LacksInstance => _withoutInstanceSince != 0;

    public Task<LeaseResult> Result => _done.Task;

    public bool IsPastDeadline(long now) => Request.Wait.Deadline != 0 && now >= Request.Wait.Deadline;

    public void NoteOutcome(SchedulingOutcome outcome, long now, TimeProvider time)
    {
        if (outcome == SchedulingOutcome.NoneUsable)
        {
            if (!LacksInstance)
                _withoutInstanceSince = now;
            return;
        }

        if (LacksInstance)
            _started += time.GetElapsedTime(_withoutInstanceSince, now);
        _withoutInstanceSince = 0;
    }

    public WaitProgress Progress(long now, bool isStarting, TimeProvider time)
    {
        TimeSpan? without = LacksInstance ? time.GetElapsedTime(_withoutInstanceSince, now) : null;
        return new WaitProgress
        {
            Waited = time.GetElapsedTime(Since, now),
            IsPastDeadline = IsPastDeadline(now),
            AllowFallback = Request.Wait.AllowFallback,
            WithoutInstance = without,
            Starting = Tier is null ? TimeSpan.Zero : _started + (without ?? TimeSpan.Zero),
            StartTimeout = isStarting ? Tier?.StartTimeout : null,
        };
    }

    public void Complete(LeaseResult result) => _done.TrySetResult(result);

    public void Cancel(CancellationToken cancellationToken) => _done.TrySetCanceled(cancellationToken);
}

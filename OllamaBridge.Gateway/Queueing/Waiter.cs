using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Queueing;

/// <summary>A request in the queue.</summary>
internal sealed class Waiter(LeaseRequest request, ModelQueue queue, ModelState model, long since, long order)
{
    private readonly TaskCompletionSource<LeaseResult> _done = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public LeaseRequest Request { get; } = request;

    public Tenant Tenant { get; } = request.Tenant ?? Tenant.Anonymous;

    /// <summary>The current class: a batch request that has waited for <see cref="QueueOptions.BatchPatience"/> becomes interactive.</summary>
    public Priority Class { get; set; } = request.Priority;

    public ModelQueue Queue { get; } = queue;

    /// <summary>The model's state, which counts its waiting requests.</summary>
    public ModelState Model { get; } = model;

    /// <summary>The arrival, in <see cref="TimeProvider.GetTimestamp"/>'s ticks.</summary>
    public long Since { get; } = since;

    /// <summary>The arrival number over all models; ascending.</summary>
    public long Order { get; } = order;

    /// <summary>Its tenant's line; null if it waits before all lines.</summary>
    public TenantLine? Line { get; set; }

    /// <summary>Its node in the line or at the front; null after it has left the queue.</summary>
    public LinkedListNode<Waiter>? Node { get; set; }

    /// <summary>The time since which no usable instance has the model, in ticks; 0 while one has.</summary>
    public long WithoutInstanceSince { get; set; }

    /// <summary>The tier to start if no instance has the model; null for none.</summary>
    public ColdTier? Tier { get; init; }

    /// <summary>The total time without a usable instance, before one became available. With a tier, it doesn't count as a wait for a slot.</summary>
    public TimeSpan Started { get; set; }

    public Task<LeaseResult> Result => _done.Task;

    public void Complete(LeaseResult result) => _done.TrySetResult(result);

    public void Cancel(CancellationToken cancellationToken) => _done.TrySetCanceled(cancellationToken);
}

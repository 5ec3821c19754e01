using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Identity;

namespace OllamaBridge.Gateway.Admission;

/// <summary>One request in the queue.</summary>
internal sealed class Waiter(LeaseRequest request, ModelQueue queue, ModelState model, long since, long order)
{
    private readonly TaskCompletionSource<LeaseResult> _done = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>What it needs.</summary>
    public LeaseRequest Request { get; } = request;

    /// <summary>Whose it is.</summary>
    public Tenant Tenant { get; } = request.Tenant ?? Tenant.Anonymous;

    /// <summary>Its class; batch that has waited long enough becomes interactive.</summary>
    public Priority Class { get; set; } = request.Priority;

    /// <summary>Where it waits.</summary>
    public ModelQueue Queue { get; } = queue;

    /// <summary>The model's state, for its count of waiters.</summary>
    public ModelState Model { get; } = model;

    /// <summary>When it came, in <see cref="TimeProvider.GetTimestamp"/>'s ticks.</summary>
    public long Since { get; } = since;

    /// <summary>The how-manyth it was to come, over all models.</summary>
    public long Order { get; } = order;

    /// <summary>Its tenant's line; null where it stands before all lines.</summary>
    public TenantLine? Line { get; set; }

    /// <summary>Its place; null once it has left.</summary>
    public LinkedListNode<Waiter>? Node { get; set; }

    /// <summary>Since when no healthy instance has the model; 0 while one has.</summary>
    public long WithoutInstanceSince { get; set; }

    /// <summary>The tier that is started for it where nobody has its model; null for none.</summary>
    public ColdTier? Tier { get; init; }

    /// <summary>How long it has waited for an instance to be started, before one was there. No part of the wait for a slot.</summary>
    public TimeSpan Started { get; set; }

    /// <summary>Ends with the lease or the refusal.</summary>
    public Task<LeaseResult> Result => _done.Task;

    /// <summary>Ends the wait.</summary>
    public void Complete(LeaseResult result) => _done.TrySetResult(result);

    /// <summary>Ends the wait for a client that has gone.</summary>
    public void Cancel(CancellationToken cancellationToken) => _done.TrySetCanceled(cancellationToken);
}

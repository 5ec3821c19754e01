using System.Diagnostics;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Quotas;
using OllamaBridge.Gateway.Scheduling;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Queueing;

/// <summary>A request's requirements for an instance.</summary>
/// <param name="ModelKey">Canonical model name; empty if any instance will do.</param>
/// <param name="Affinity">Hash of the conversation's prefix; 0 for none.</param>
/// <param name="NeedsSlot">Whether it occupies a slot.</param>
/// <param name="Only">The only instance that may serve it; null for any.</param>
/// <param name="Tried">Instances that have already failed it; null for the first attempt.</param>
/// <param name="Span">The trace span of its wait; null if it is not traced.</param>
/// <param name="Tenant">The tenant; null for <see cref="Tenant.Anonymous"/>.</param>
/// <param name="Priority">The priority class.</param>
/// <param name="Deadline">The end of its wait, in <see cref="TimeProvider.GetTimestamp"/>'s ticks; 0 for the queue's own limit.</param>
/// <param name="InputTokens">Estimated tokens of its prompt.</param>
/// <param name="Charged">Whether its tenant was already charged for an earlier attempt.</param>
/// <param name="Ticket">Receives its place in the queue; null for none.</param>
/// <param name="Part">The part of the model's instances that may serve it; the default for all.</param>
internal readonly record struct LeaseRequest(
    string ModelKey,
    ulong Affinity,
    bool NeedsSlot,
    Instance? Only = null,
    IReadOnlyCollection<Instance>? Tried = null,
    Activity? Span = null,
    Tenant? Tenant = null,
    Priority Priority = Priority.Interactive,
    long Deadline = 0,
    long InputTokens = 0,
    bool Charged = false,
    QueueTicket? Ticket = null,
    ModelPart Part = default)
{
    /// <summary>The queue that it waits in.</summary>
    /// <param name="model">The view of the model from <see cref="Find"/>.</param>
    public QueueKey QueueOf(ModelView model) => new(ModelKey, Tenant?.Instances, model.Part, Stays && model.HasPeers);

    /// <summary>The length of its body, in bytes; 0 if it has none.</summary>
    public long Bytes { get; init; }

    /// <summary>The digest that began its response; the default for none.</summary>
    public DigestPin Digest { get; init; }

    /// <summary>Finds the instances that may serve the request.</summary>
    /// <param name="snapshot">The part of the fleet that the tenant may use.</param>
    /// <param name="isOtherDigest">Whether the model exists, but no instance has the required digest.</param>
    /// <returns>Null if no instance has the model.</returns>
    public ModelView? Find(FleetSnapshot snapshot, out bool isOtherDigest)
    {
        var model = snapshot.Find(ModelKey, Part);
        var pinned = model?.For(Digest);
        isOtherDigest = model is not null && pinned is null;
        return pinned;
    }

    /// <summary>Whether it can't be sent to another instance after a failure.</summary>
    public bool NoRetry { get; init; }

    /// <summary>Whether another model can serve the request at once, so that a long wait is not worth it; null if it waits for this model only.</summary>
    public Func<bool>? GiveWay { get; init; }

    /// <summary>The home region of its conversation; null if that is this region.</summary>
    public string? Home { get; init; }

    /// <summary>Whether it is a later turn of a conversation that is at home in this region.</summary>
    public bool Stays { get; init; }
}

internal enum LeaseRefusal
{
    None,

    UnknownModel,

    /// <summary>No instance supports the route.</summary>
    NotServed,

    NoInstances,

    QueueFull,

    /// <summary>It waited for <see cref="QueueOptions.MaxWait"/>.</summary>
    WaitedTooLong,

    /// <summary>Its deadline passed while it waited.</summary>
    DeadlinePassed,

    /// <summary>Its estimated wait exceeds its deadline.</summary>
    DeadlineTooSoon,

    /// <summary>The queue was full, and another request took its place.</summary>
    PushedOut,

    /// <summary>No instance that has the model was healthy for <see cref="QueueOptions.MaxWaitWithoutInstance"/>.</summary>
    NoneHealthy,

    /// <summary>The model's tier did not start within its start timeout.</summary>
    NotStarted,

    /// <summary>The platform refuses to start the model's tier.</summary>
    StartRefused,

    /// <summary>Its wait, actual or estimated, exceeds <see cref="QueueOptions.FallbackAfter"/>, and another model can serve it at once.</summary>
    GaveWay,

    /// <summary>Every instance that has the model failed it.</summary>
    AllTried,

    /// <summary>The gateway is stopping.</summary>
    Stopped,
}

/// <summary>A lease, or the reason for its refusal.</summary>
/// <remarks><paramref name="Lease"/> is null if refused. <paramref name="RetryAfter"/> is the time until a retry may succeed.</remarks>
internal readonly record struct LeaseResult(InstanceLease? Lease, LeaseRefusal Refusal, TimeSpan RetryAfter)
{
    /// <summary>The queue that it waited in or would have waited in; the default if no model was found.</summary>
    public QueueKey Queue { get; init; }

    /// <summary>The charge to its tenant, to be settled when the request ends.</summary>
    public TokenCharge Charge { get; init; }

    /// <summary>If refused: its approximate position in the queue, from 1; 0 if there is none.</summary>
    public int Position { get; init; }

    /// <summary>If refused: the estimated wait; null if unknown.</summary>
    public TimeSpan? EstimatedWait { get; init; }
}

using System.Diagnostics;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Identity;
using OllamaBridge.Gateway.Scheduling;

namespace OllamaBridge.Gateway.Admission;

/// <summary>What a request needs of the fleet.</summary>
/// <param name="ModelKey">Canonical model name; empty where any instance will do.</param>
/// <param name="Affinity">Hash of the conversation's beginning; 0 for none.</param>
/// <param name="NeedsSlot">Whether it occupies the instance.</param>
/// <param name="Only">The one instance that will do; null for any.</param>
/// <param name="Tried">Instances that have already failed it.</param>
/// <param name="Span">The span of its wait; null where nobody listens.</param>
/// <param name="Tenant">Whose it is; null: nobody's.</param>
/// <param name="Priority">Its class.</param>
/// <param name="Deadline">Until when it may wait, in <see cref="TimeProvider.GetTimestamp"/>'s ticks; 0: as long as anybody.</param>
/// <param name="InputTokens">Tokens of its prompt, by estimate.</param>
/// <param name="Charged">Whether its tenant has paid for it already: it is sent again.</param>
/// <param name="Ticket">With which it can be found while it waits; null for none.</param>
/// <param name="Part">What of the model's instances it can use; the default for all.</param>
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
    /// <summary>Where it waits if it must.</summary>
    /// <param name="model">The part of the model that it found.</param>
    public QueueKey QueueOf(ModelView model) => new(ModelKey, Tenant?.Instances, model.Part, Stays && model.HasPeers);

    /// <summary>The length of its body, in bytes; 0 if it has none.</summary>
    public long Bytes { get; init; }

    /// <summary>The digest that its answer was begun with; the default for none.</summary>
    public DigestPin Digest { get; init; }

    /// <summary>The model as far as the request can use it.</summary>
    /// <param name="snapshot">The fleet, as far as the tenant may use it.</param>
    /// <param name="isOtherDigest">Whether there is the model, but no instance with the digest that is wanted.</param>
    /// <returns>Null if no instance has it.</returns>
    public ModelView? Find(FleetSnapshot snapshot, out bool isOtherDigest)
    {
        var model = snapshot.Find(ModelKey, Part);
        var pinned = model?.For(Digest);
        isOtherDigest = model is not null && pinned is null;
        return pinned;
    }

    /// <summary>Whether it could not be sent elsewhere if an instance fails it.</summary>
    public bool NoRetry { get; init; }

    /// <summary>Whether another model can serve the request at once, so that a long wait is not worth it; null if it waits for this one.</summary>
    public Func<bool>? GiveWay { get; init; }

    /// <summary>The region where its conversation is at home, if that is not this one; else null.</summary>
    public string? Home { get; init; }

    /// <summary>Whether it is a later turn of a conversation that is at home here.</summary>
    public bool Stays { get; init; }
}

/// <summary>Why a request got no lease.</summary>
internal enum LeaseRefusal
{
    /// <summary>It got one.</summary>
    None,

    /// <summary>No instance has the model.</summary>
    UnknownModel,

    /// <summary>No instance has the route at all.</summary>
    NotServed,

    /// <summary>No instance is configured.</summary>
    NoInstances,

    /// <summary>The queue is full.</summary>
    QueueFull,

    /// <summary>It waited as long as it may.</summary>
    WaitedTooLong,

    /// <summary>It waited until its deadline.</summary>
    DeadlinePassed,

    /// <summary>It would by estimate wait beyond its deadline.</summary>
    DeadlineTooSoon,

    /// <summary>The queue was full, and its place went to another.</summary>
    PushedOut,

    /// <summary>No instance that has the model was healthy for as long as it may wait for that.</summary>
    NoneHealthy,

    /// <summary>The model's tier was not started for as long as it may wait for that.</summary>
    NotStarted,

    /// <summary>The platform refuses to start the model's tier.</summary>
    StartRefused,

    /// <summary>It waited, or would wait, for longer than <see cref="QueueOptions.FallbackAfter"/>, and another model can serve it at once.</summary>
    GaveWay,

    /// <summary>Every instance that has the model failed it.</summary>
    AllTried,

    /// <summary>The gateway stops, and nobody waits any longer.</summary>
    Stopped,
}

/// <summary>A lease, or why there is none.</summary>
/// <param name="Lease">The lease; null where refused.</param>
/// <param name="Refusal">Why not.</param>
/// <param name="RetryAfter">When it may be worth to try again.</param>
internal readonly record struct LeaseResult(InstanceLease? Lease, LeaseRefusal Refusal, TimeSpan RetryAfter)
{
    /// <summary>The queue that it would have waited in, or did; the default where it found no model.</summary>
    public QueueKey Queue { get; init; }

    /// <summary>What its tenant was charged, to be settled when the request has ended.</summary>
    public TokenCharge Charge { get; init; }

    /// <summary>Where refused: about the how-manyth in line it was, or would have been; 0 where that says nothing.</summary>
    public int Position { get; init; }

    /// <summary>Where refused: about how long it would have had to wait; null where unknown.</summary>
    public TimeSpan? EstimatedWait { get; init; }
}

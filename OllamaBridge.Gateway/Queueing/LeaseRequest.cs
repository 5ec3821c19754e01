using System.Diagnostics;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Queueing;

/// <summary>A request for a lease.</summary>
internal readonly record struct LeaseRequest
{
    public required ModelSelector Model { get; init; }

    /// <summary>Whether it occupies a slot.</summary>
    public required bool NeedsSlot { get; init; }

    public LeaseOwner Owner { get; init; }

    public ConversationHints Conversation { get; init; }

    public InstanceRules Instances { get; init; }

    public WaitRules Wait { get; init; }

    /// <summary>The length of its body, in bytes; 0 if it has none.</summary>
    public long Bytes { get; init; }

    /// <summary>The queue that it waits in.</summary>
    /// <param name="model">The view of the model from <see cref="Find"/>.</param>
    public QueueKey QueueOf(ModelView model) => new(Model.Key, Owner.Instances, model.Part, Conversation.Stays && model.HasPeers);

    /// <summary>Finds the instances that may serve the request.</summary>
    /// <param name="fleet">The whole fleet.</param>
    /// <param name="isOtherDigest">Whether the model exists, but no instance has the required digest.</param>
    /// <returns>Null if no instance has the model.</returns>
    public ModelView? Find(FleetSnapshot fleet, out bool isOtherDigest)
    {
        var model = fleet.For(Owner.Instances).Find(Model.Key, Model.Part);
        var pinned = model?.For(Model.Digest);
        isOtherDigest = model is not null && pinned is null;
        return pinned;
    }
}

/// <summary>The requested model.</summary>
/// <param name="Key">Canonical model name; empty if any instance will do.</param>
/// <param name="Part">The part of the model's instances that may serve the request; the default for all.</param>
/// <param name="Digest">The digest that began the response; the default for none.</param>
internal readonly record struct ModelSelector(string Key, ModelPart Part = default, DigestPin Digest = default);

/// <summary>The tenant that owns a request, and its charge.</summary>
internal readonly record struct LeaseOwner
{
    private readonly Tenant? _tenant;

    /// <summary>The tenant; <see cref="Tenant.Anonymous"/> by default.</summary>
    public Tenant Tenant
    {
        get => _tenant ?? Tenant.Anonymous;
        init => _tenant = value;
    }

    /// <summary>The instances that the tenant may use; null for all.</summary>
    public InstanceAccess? Instances => _tenant?.Instances;

    public Priority Priority { get; init; }

    /// <summary>Estimated tokens of the request's prompt.</summary>
    public long InputTokens { get; init; }

    /// <summary>Whether the tenant was already charged for an earlier attempt.</summary>
    public bool IsCharged { get; init; }
}

/// <summary>The conversation that a request continues.</summary>
/// <param name="Affinity">Hash of the conversation's prefix; 0 for none.</param>
/// <param name="Home">The home region of the conversation; null if that is this region.</param>
/// <param name="Stays">Whether the request is a later turn of a conversation that is at home in this region.</param>
internal readonly record struct ConversationHints(ulong Affinity, string? Home = null, bool Stays = false);

/// <summary>Restrictions on the instances for a request.</summary>
internal readonly record struct InstanceRules
{
    /// <summary>The only instance that may serve the request; null for any.</summary>
    public Instance? Only { get; init; }

    /// <summary>Instances that have already failed the request; null for the first attempt.</summary>
    public IReadOnlyCollection<Instance>? Tried { get; init; }

    /// <summary>Whether the request can't be sent to another instance after a failure.</summary>
    public bool NoRetry { get; init; }
}

/// <summary>How a request waits.</summary>
internal readonly record struct WaitRules
{
    /// <summary>The end of the wait, in <see cref="TimeProvider.GetTimestamp"/>'s ticks; 0 for the queue's own limit.</summary>
    public long Deadline { get; init; }

    /// <summary>Whether another model can serve the request at once, so that a long wait is not worth it; null if it waits for this model only.</summary>
    public Func<bool>? GiveWay { get; init; }

    /// <summary>Receives the request's place in the queue; null for none.</summary>
    public QueueTicket? Ticket { get; init; }

    /// <summary>The trace span of the wait; null if it is not traced.</summary>
    public Activity? Span { get; init; }
}

using System.Diagnostics;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Queueing;

internal readonly record struct LeaseRequest
{
    public required ModelSelector Model { get; init; }

    public required bool NeedsSlot { get; init; }

    public LeaseOwner Owner { get; init; }

    public ConversationHints Conversation { get; init; }

    public InstanceRules Instances { get; init; }

    public WaitRules Wait { get; init; }

    /// <summary>The length of its body, in bytes; 0 if it has none.</summary>
    public long Bytes { get; init; }

    public QueueKey QueueOf(ModelView model) => new(Model.Key, Owner.Instances, model.Part, Conversation.Stays && model.HasPeers);

    /// <summary><paramref name="isOtherDigest"/>: the model exists, but no instance has the required digest.</summary>
    public ModelView? Find(FleetSnapshot fleet, out bool isOtherDigest)
    {
        var model = fleet.For(Owner.Instances).Find(Model.Key, Model.Part);
        var pinned = model?.For(Model.Digest);
        isOtherDigest = model is not null && pinned is null;
        return pinned;
    }
}

/// <summary>The requested model. <paramref name="Key"/> is its canonical name; empty if any instance will do.</summary>
internal readonly record struct ModelSelector(string Key, ModelPart Part = default, DigestPin Digest = default);

internal readonly record struct LeaseOwner
{
    private readonly Tenant? _tenant;

    public Tenant Tenant
    {
        get => _tenant ?? Tenant.Anonymous;
        init => _tenant = value;
    }

    /// <summary>The instances that the tenant may use; null for all.</summary>
    public InstanceAccess? Instances => _tenant?.Instances;

    public Priority Priority { get; init; }

    public long InputTokens { get; init; }

    public bool IsCharged { get; init; }
}

/// <summary>The conversation that a request continues. <paramref name="Affinity"/> is 0 for none; <paramref name="Home"/> is null for this region.</summary>
internal readonly record struct ConversationHints(ulong Affinity, string? Home = null, bool Stays = false);

internal readonly record struct InstanceRules
{
    public Instance? Only { get; init; }

    public IReadOnlyCollection<Instance>? Tried { get; init; }

    public bool NoRetry { get; init; }
}

internal readonly record struct WaitRules
{
    /// <summary>The end of the wait, in <see cref="TimeProvider.GetTimestamp"/>'s ticks; 0 for the queue's own limit.</summary>
    public long Deadline { get; init; }

    /// <summary>Whether another model can serve the request at once, so that a long wait is not worth it; null if it waits for this model only.</summary>
    public Func<bool>? AllowFallback { get; init; }

    public QueueTicket? Ticket { get; init; }

    public Activity? Span { get; init; }
}

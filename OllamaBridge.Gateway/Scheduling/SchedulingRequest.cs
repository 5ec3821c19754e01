using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Fleet.Regions;

namespace OllamaBridge.Gateway.Scheduling;

/// <summary>The request and the time: all inputs of a decision besides the snapshot.</summary>
/// <param name="Model">The requested model and its instances.</param>
/// <param name="Affinity">Hash of the conversation's prefix; 0 for none.</param>
/// <param name="Tried">Instances that have already failed this request; null for none.</param>
/// <param name="Only">The only instance that may serve the request; null for any.</param>
/// <param name="NeedsSlot">False for requests that cost an instance almost nothing, such as <c>/api/show</c>.</param>
/// <param name="Now">The time, in <see cref="TimeProvider.GetTimestamp"/>'s ticks.</param>
/// <param name="Waited">How long the request has waited, in the same ticks.</param>
internal readonly record struct SchedulingRequest(
    ModelView Model,
    ulong Affinity,
    IReadOnlyCollection<Instance>? Tried,
    Instance? Only,
    bool NeedsSlot,
    long Now,
    long Waited)
{
    /// <summary>Whether the request can be sent only once; it can't be a probe then.</summary>
    public bool NoRetry { get; init; }

    /// <summary>The home region of the request's conversation; null if that is this region.</summary>
    public string? Home { get; init; }

    /// <summary>The <see cref="Instance.Seed"/> of the instance that got the conversation's last request; null if unknown.</summary>
    public uint? Place { get; init; }

    /// <summary>The length of the prompt, in bytes; 0 if unknown.</summary>
    public long Bytes { get; init; }

    /// <summary>Whether it is a later turn of a conversation that is at home in this region: it waits longer before a spill-over.</summary>
    public bool Stays { get; init; }
}

/// <summary>The outcome of a decision.</summary>
internal enum SchedulingOutcome
{
    Chosen,

    /// <summary>Every instance that could serve the request is busy or temporarily restricted: the request waits.</summary>
    Busy,

    /// <summary>Every usable instance has already failed this request, or it is bound to another instance.</summary>
    AllTried,

    /// <summary>No instance that has the model is healthy with a closed circuit breaker.</summary>
    NoneUsable,
}

/// <summary>The result of a scheduling decision.</summary>
/// <remarks>
/// <paramref name="Placement"/> is null unless the outcome is <see cref="SchedulingOutcome.Chosen"/>.
/// <paramref name="GoSlowly"/>: whether slow-start limits apply, because other instances can serve the request.
/// </remarks>
internal readonly record struct SchedulingDecision(SchedulingOutcome Outcome, ModelPlacement? Placement, bool GoSlowly = false)
{
    /// <summary>The reason for sending the request to another region; <see cref="SpillReason.None"/> if it stays in this region.</summary>
    public SpillReason Spill { get; init; }
}

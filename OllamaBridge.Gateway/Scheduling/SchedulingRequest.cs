using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Fleet.Regions;

namespace OllamaBridge.Gateway.Scheduling;

/// <summary>The request and the time: all inputs of a decision besides the snapshot.</summary>
/// <param name="Affinity">Hash of the conversation's prefix; 0 for none.</param>
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

internal enum SchedulingOutcome
{
    Chosen,

    /// <summary>Every instance that could serve the request is busy or temporarily restricted: the request waits.</summary>
    Busy,

    /// <summary>Every usable instance has already failed this request, or it is bound to another instance.</summary>
    AllTried,

    NoneUsable,
}

/// <summary><paramref name="Placement"/> is null unless the outcome is <see cref="SchedulingOutcome.Chosen"/>.</summary>
internal readonly record struct SchedulingDecision(SchedulingOutcome Outcome, ModelPlacement? Placement, bool GoSlowly = false)
{
    public SpillReason Spill { get; init; }
}

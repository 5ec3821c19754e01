using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Regions;

namespace OllamaBridge.Gateway.Scheduling;

/// <summary>What a decision is made of, besides the snapshot: everything about the request and the moment.</summary>
/// <param name="Model">The model asked for, with the instances that have it.</param>
/// <param name="Affinity">Hash of the conversation's beginning; 0 where there is none.</param>
/// <param name="Tried">Instances that already failed this request; null for none.</param>
/// <param name="Only">The one instance that will do; null for any.</param>
/// <param name="NeedsSlot">False for questions that cost an instance nothing, such as <c>/api/show</c>.</param>
/// <param name="Now">The moment, in <see cref="TimeProvider.GetTimestamp"/>'s ticks.</param>
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
    /// <summary>Whether it can be sent only once: then it is no request to find out with whether an instance has recovered.</summary>
    public bool NoRetry { get; init; }

    /// <summary>The region where its conversation is at home, if that is not this one; else null.</summary>
    public string? Home { get; init; }

    /// <summary>The number of the instance that had its conversation's last request; null if that is not known.</summary>
    public uint? Place { get; init; }

    /// <summary>The length of its prompt, in bytes; 0 if that is not known.</summary>
    public long Bytes { get; init; }

    /// <summary>Whether it is a later turn of a conversation that is at home here, and rather waits than goes elsewhere.</summary>
    public bool Stays { get; init; }
}

/// <summary>What came of it.</summary>
internal enum SchedulingOutcome
{
    /// <summary>An instance was chosen.</summary>
    Chosen,

    /// <summary>Every instance that could answer is busy, or is better left as it is for now: wait.</summary>
    Busy,

    /// <summary>Every usable instance that will do has failed this request already.</summary>
    AllTried,

    /// <summary>No instance that has the model is healthy and open.</summary>
    NoneUsable,
}

/// <summary>A decision.</summary>
/// <param name="Outcome">What came of it.</param>
/// <param name="Placement">The chosen instance with its model; null unless chosen.</param>
/// <param name="GoSlowly">Whether others have the model, so that one that has only just come back need not take all there is.</param>
internal readonly record struct SchedulingDecision(SchedulingOutcome Outcome, ModelPlacement? Placement, bool GoSlowly = false)
{
    /// <summary>Why it goes to another region, if it does.</summary>
    public SpillReason Spill { get; init; }
}

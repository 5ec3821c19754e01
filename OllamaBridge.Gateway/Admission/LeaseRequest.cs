using System.Diagnostics;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Scheduling;

namespace OllamaBridge.Gateway.Admission;

/// <summary>What a request needs of the fleet.</summary>
/// <param name="ModelKey">Canonical model name; empty where any instance will do.</param>
/// <param name="Affinity">Hash of the conversation's beginning; 0 for none.</param>
/// <param name="NeedsSlot">Whether it occupies the instance.</param>
/// <param name="Only">The one instance that will do; null for any.</param>
/// <param name="Tried">Instances that have already failed it.</param>
/// <param name="Span">The span of its wait; null where nobody listens.</param>
internal readonly record struct LeaseRequest(
    string ModelKey,
    ulong Affinity,
    bool NeedsSlot,
    Instance? Only = null,
    IReadOnlyCollection<Instance>? Tried = null,
    Activity? Span = null);

/// <summary>Why a request got no lease.</summary>
internal enum LeaseRefusal
{
    /// <summary>It got one.</summary>
    None,

    /// <summary>No instance has the model.</summary>
    UnknownModel,

    /// <summary>No instance is configured.</summary>
    NoInstances,

    /// <summary>The queue is full.</summary>
    QueueFull,

    /// <summary>It waited as long as it may.</summary>
    WaitedTooLong,

    /// <summary>No instance that has the model was healthy for as long as it may wait for that.</summary>
    NoneHealthy,

    /// <summary>Every instance that has the model failed it.</summary>
    AllTried,
}

/// <summary>A lease, or why there is none.</summary>
/// <param name="Lease">The lease; null where refused.</param>
/// <param name="Refusal">Why not.</param>
/// <param name="RetryAfter">When it may be worth to try again.</param>
internal readonly record struct LeaseResult(InstanceLease? Lease, LeaseRefusal Refusal, TimeSpan RetryAfter);

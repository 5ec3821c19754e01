using System.Collections.Immutable;

namespace OllamaBridge.Gateway.Fleet;

/// <summary>What can happen to the fleet; the owner takes one after the other.</summary>
internal abstract record FleetEvent;

/// <summary>A look at an instance has ended.</summary>
internal sealed record Looked(ProbeResult Result) : FleetEvent;

/// <summary>A list of models has come, or failed to, that took longer than a look.</summary>
internal sealed record CatalogCame(CatalogResult Result) : FleetEvent;

/// <summary>Requests failed on an instance.</summary>
internal sealed record RequestsFailed(Instance Instance, InstanceFailure Failure) : FleetEvent;

/// <summary>An instance that had failed requests answers them again.</summary>
internal sealed record RequestsRecovered(Instance Instance) : FleetEvent;

/// <summary>An operator starts or ends a drain.</summary>
internal sealed record DrainAsked(string Name, bool Draining, DateTimeOffset? Deadline, TaskCompletionSource<bool> Done) : FleetEvent;

/// <summary>An operator adds an instance, or changes one that was added.</summary>
internal sealed record MemberAdded(InstanceDefinition Definition, TaskCompletionSource<MemberChange> Done) : FleetEvent;

/// <summary>An operator removes an instance.</summary>
internal sealed record MemberRemoved(string Name, TaskCompletionSource<MemberChange> Done) : FleetEvent;

/// <summary>The configured list of instances has changed.</summary>
internal sealed record DefinitionsChanged(IReadOnlyList<InstanceDefinition> Definitions) : FleetEvent;

/// <summary>The settings of cold tiers, digests or peers have changed.</summary>
internal sealed record RulesChanged(ColdTiers Tiers, ModelDigests Digests) : FleetEvent;

/// <summary>Somebody needs the model lists as they are now.</summary>
internal sealed record CatalogAsked(TaskCompletionSource Done) : FleetEvent;

/// <summary>Which models an instance has in memory may have changed.</summary>
internal sealed record LookAsked(Instance Instance) : FleetEvent;

/// <summary>A client wants to know which models are in memory.</summary>
internal sealed record RunningAsked(TaskCompletionSource Done) : FleetEvent;

/// <summary>Other gateways have said something new.</summary>
/// <param name="Drains">Operators' words on drains.</param>
/// <param name="Members">Operators' words on who belongs to the fleet.</param>
/// <param name="Ejections">What others have ejected.</param>
internal sealed record OthersHeard(
    ImmutableArray<DrainMark> Drains, ImmutableArray<MemberMark> Members, ImmutableArray<EjectionMark> Ejections) : FleetEvent;

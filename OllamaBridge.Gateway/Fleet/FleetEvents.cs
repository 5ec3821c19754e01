using System.Collections.Immutable;
using OllamaBridge.Gateway.Discovery;

namespace OllamaBridge.Gateway.Fleet;

/// <summary>An event of the fleet. The owner handles events one at a time.</summary>
internal abstract record FleetEvent;

/// <summary>A probe of an instance has ended.</summary>
internal sealed record ProbeCompleted(ProbeResult Result) : FleetEvent;

/// <summary>A model list that took longer than its probe has been read, or the reading has failed.</summary>
internal sealed record CatalogReceived(CatalogResult Result) : FleetEvent;

/// <summary>Requests failed on an instance.</summary>
internal sealed record RequestsFailed(Instance Instance, InstanceFailure Failure) : FleetEvent;

/// <summary>An instance that had failed requests serves them again.</summary>
internal sealed record RequestsRecovered(Instance Instance) : FleetEvent;

internal sealed record DrainRequested(string Name, bool Draining, DateTimeOffset? Deadline, TaskCompletionSource<bool> Done) : FleetEvent;

/// <summary>An operator adds an instance, or changes one that was added at run time.</summary>
internal sealed record MemberAdded(InstanceDefinition Definition, TaskCompletionSource<MemberChange> Done) : FleetEvent;

internal sealed record MemberRemoved(string Name, TaskCompletionSource<MemberChange> Done) : FleetEvent;

/// <summary>The configured list of instances has changed.</summary>
internal sealed record DefinitionsChanged(IReadOnlyList<InstanceDefinition> Definitions) : FleetEvent;

/// <summary>The settings of cold tiers, digests or peers have changed.</summary>
internal sealed record RulesChanged(ColdTiers Tiers, ModelDigests Digests) : FleetEvent;

/// <summary>A caller needs current model lists.</summary>
internal sealed record CatalogRequested(TaskCompletionSource Done) : FleetEvent;

/// <summary>The models in an instance's memory may have changed.</summary>
internal sealed record ProbeRequested(Instance Instance) : FleetEvent;

/// <summary>A caller needs the current models in memory.</summary>
internal sealed record RunningModelsRequested(TaskCompletionSource Done) : FleetEvent;

/// <summary>Other gateways have published new state.</summary>
/// <param name="Drains">Drain directives.</param>
/// <param name="Members">Directives that add or remove instances.</param>
/// <param name="Ejections">Ejections by other gateways.</param>
internal sealed record PeerStateReceived(
    ImmutableArray<DrainMark> Drains, ImmutableArray<MemberMark> Members, ImmutableArray<EjectionMark> Ejections) : FleetEvent;

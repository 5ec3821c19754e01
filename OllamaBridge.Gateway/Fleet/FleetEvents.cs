using System.Collections.Immutable;
using OllamaBridge.Gateway.Discovery;

namespace OllamaBridge.Gateway.Fleet;

/// <summary>An event of the fleet. The owner handles events one at a time.</summary>
internal abstract record FleetEvent;

internal sealed record ProbeCompleted(ProbeResult Result) : FleetEvent;

/// <summary>A model list that took longer than its probe has been read, or the reading has failed.</summary>
internal sealed record CatalogReceived(CatalogResult Result) : FleetEvent;

internal sealed record RequestsFailed(Instance Instance, InstanceFailure Failure) : FleetEvent;

internal sealed record RequestsRecovered(Instance Instance) : FleetEvent;

internal sealed record DrainRequested(string Name, bool Draining, DateTimeOffset? Deadline, TaskCompletionSource<bool> Done) : FleetEvent;

internal sealed record MemberAdded(InstanceDefinition Definition, TaskCompletionSource<MemberChange> Done) : FleetEvent;

internal sealed record MemberRemoved(string Name, TaskCompletionSource<MemberChange> Done) : FleetEvent;

internal sealed record DefinitionsChanged(IReadOnlyList<InstanceDefinition> Definitions) : FleetEvent;

internal sealed record RulesChanged(ColdTiers Tiers, ModelDigests Digests) : FleetEvent;

internal sealed record CatalogRequested(TaskCompletionSource Done) : FleetEvent;

internal sealed record ProbeRequested(Instance Instance) : FleetEvent;

internal sealed record RunningModelsRequested(TaskCompletionSource Done) : FleetEvent;

internal sealed record PeerStateReceived(
    ImmutableArray<DrainMark> Drains, ImmutableArray<MemberMark> Members, ImmutableArray<EjectionMark> Ejections) : FleetEvent;

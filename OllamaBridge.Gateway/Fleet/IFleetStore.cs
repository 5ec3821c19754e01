using System.Collections.Immutable;
using OllamaBridge.Gateway.Common;
using OllamaBridge.Gateway.Discovery;

namespace OllamaBridge.Gateway.Fleet;

/// <summary>The store through which gateways share their use of the fleet. The request path never calls it.</summary>
internal interface IFleetStore
{
    bool IsShared { get; }

    /// <summary>Publishes a report and reads all, atomically. A claim is granted as far as others have not claimed the slots; used slots count as claimed.</summary>
    /// <returns>Null if the store did not respond in time.</returns>
    ValueTask<SharedFleet?> ExchangeAsync(GatewayReport report, CancellationToken cancellationToken);

    ValueTask LeaveAsync(string gateway, CancellationToken cancellationToken);
}

/// <summary>One gateway's report, valid for <c>Lifetime</c> without a newer one. <c>Drains</c> and <c>Members</c> are those that the store lacks.</summary>
internal sealed record GatewayReport(
    string Gateway,
    TimeSpan Lifetime,
    ImmutableArray<SlotReport> Slots,
    ImmutableArray<DrainMark> Drains,
    ImmutableArray<MemberMark> Members,
    ImmutableArray<EjectionMark> Ejections);

/// <summary>A gateway's use of one instance: its leases, its queued requests that the instance could serve, and the slots that it wants to claim.</summary>
internal readonly record struct SlotReport(string Instance, int Slots, int Used, int Waiting, int Asked);

internal readonly record struct SlotClaim(string Gateway, string Instance, int Used, int Waiting, int Claim);

/// <summary>A directive on a drain. <c>Deadline</c>: milliseconds since 1970, 0 for none. <c>Incarnation</c>: null for all servers of the name.</summary>
internal readonly record struct DrainMark(
    string Instance, bool Draining, long Version, long Deadline = 0, string? Incarnation = null) : IDirective
{
    public bool IsOn(string? incarnation) => Incarnation is null || incarnation is null || Incarnation == incarnation;

    public DateTimeOffset? Until => Draining && Deadline > 0 ? DateTimeOffset.FromUnixTimeMilliseconds(Deadline) : null;

    /// <remarks>Pods always get new names; a directive on one of them must expire.</remarks>
    public bool IsUndoing => !Draining || Incarnation is not null;
}

/// <summary>A directive that adds an instance, or removes it if <c>Definition</c> is null. <c>Instance</c> is in lower case: names are case-insensitive.</summary>
internal readonly record struct MemberMark(string Instance, InstanceDefinition? Definition, long Version) : IDirective
{
    public bool IsUndoing => Definition is null;

    public static string Key(string name) => name.ToLowerInvariant();
}

/// <summary>A gateway's ejection of an instance for failed requests. <c>Incarnation</c> is null if unknown.</summary>
internal readonly record struct EjectionMark(string Instance, string Gateway, TimeSpan Remaining, string? Incarnation = null)
{
    public bool IsOn(Instance instance) =>
        Instance == instance.Name && (Incarnation is null || instance.Incarnation is null || Incarnation == instance.Incarnation);
}

internal readonly record struct OwnEjection(string Instance, Moment Until, string? Incarnation = null);

/// <summary>The combined state of all gateways. <c>Time</c> is the store's clock, the same for all; <c>Gateways</c> are in ordinal order.</summary>
internal sealed record SharedFleet(
    DateTimeOffset Time,
    ImmutableArray<string> Gateways,
    ImmutableArray<SlotClaim> Claims,
    ImmutableArray<DrainMark> Drains,
    ImmutableArray<MemberMark> Members,
    ImmutableArray<EjectionMark> Ejections);

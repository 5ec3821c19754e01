using System.Collections.Immutable;
using OllamaBridge.Gateway.Common;
using OllamaBridge.Gateway.Discovery;

namespace OllamaBridge.Gateway.Fleet;

/// <summary>The store through which gateways share their use of the fleet. The request path never calls it.</summary>
internal interface IFleetStore
{
    /// <summary>Whether the store can have other gateways.</summary>
    bool IsShared { get; }

    /// <summary>
    /// Publishes this gateway's report and reads those of all gateways, atomically. A claim on an instance's slots is granted as far as
    /// other gateways have not claimed them; slots in use always count as claimed.
    /// </summary>
    /// <returns>Null if the store did not respond in time.</returns>
    ValueTask<SharedFleet?> ExchangeAsync(GatewayReport report, CancellationToken cancellationToken);

    /// <summary>Removes a gateway that stops.</summary>
    ValueTask LeaveAsync(string gateway, CancellationToken cancellationToken);
}

/// <summary>One gateway's report to the store.</summary>
/// <param name="Gateway">The gateway's id, unique for each process.</param>
/// <param name="Lifetime">How long the report is valid without a newer one.</param>
/// <param name="Slots">The gateway's use of each instance.</param>
/// <param name="Drains">Drain directives that the store lacks.</param>
/// <param name="Members">Directives on added and removed instances that the store lacks.</param>
/// <param name="Ejections">The gateway's own ejections.</param>
internal sealed record GatewayReport(
    string Gateway,
    TimeSpan Lifetime,
    ImmutableArray<SlotReport> Slots,
    ImmutableArray<DrainMark> Drains,
    ImmutableArray<MemberMark> Members,
    ImmutableArray<EjectionMark> Ejections);

/// <summary>A gateway's use of one instance: its leases, its queued requests that the instance could serve, and the slots that it wants to claim.</summary>
internal readonly record struct SlotReport(string Instance, int Slots, int Used, int Waiting, int Asked);

/// <summary>A gateway's claim on one instance.</summary>
internal readonly record struct SlotClaim(string Gateway, string Instance, int Used, int Waiting, int Claim);

/// <summary>An operator's directive to start or end a drain.</summary>
/// <param name="Instance">The instance's name.</param>
/// <param name="Draining">True to drain.</param>
/// <param name="Version">Its time in milliseconds since 1970, or the previous directive's version plus one.</param>
/// <param name="Deadline">The drain's deadline in milliseconds since 1970; 0 for none.</param>
/// <param name="Incarnation">The incarnation that it applies to (<see cref="InstanceDefinition.Incarnation"/>); null for all servers of the name.</param>
internal readonly record struct DrainMark(
    string Instance, bool Draining, long Version, long Deadline = 0, string? Incarnation = null) : IDirective
{
    /// <summary>Whether the directive applies to an incarnation.</summary>
    public bool IsOn(string? incarnation) => Incarnation is null || incarnation is null || Incarnation == incarnation;

    /// <summary>The drain's deadline; null if there is none or the instance is not drained.</summary>
    public DateTimeOffset? Until => Draining && Deadline > 0 ? DateTimeOffset.FromUnixTimeMilliseconds(Deadline) : null;

    /// <remarks>Pods always get new names; a directive on one of them must expire.</remarks>
    public bool IsUndoing => !Draining || Incarnation is not null;
}

/// <summary>An operator's directive that adds or removes an instance.</summary>
/// <param name="Instance">The instance's name in lower case: names are case-insensitive.</param>
/// <param name="Definition">The instance; null if it was removed.</param>
/// <param name="Version">Its time in milliseconds since 1970, or the previous directive's version plus one.</param>
internal readonly record struct MemberMark(string Instance, InstanceDefinition? Definition, long Version) : IDirective
{
    public bool IsUndoing => Definition is null;

    /// <summary>The form of an instance's name in directives.</summary>
    public static string Key(string name) => name.ToLowerInvariant();
}

/// <summary>An ejection of an instance for failed requests.</summary>
/// <param name="Instance">The instance's name.</param>
/// <param name="Gateway">The gateway that ejected it.</param>
/// <param name="Remaining">The remaining time.</param>
/// <param name="Incarnation">The ejected incarnation; null if unknown.</param>
internal readonly record struct EjectionMark(string Instance, string Gateway, TimeSpan Remaining, string? Incarnation = null)
{
    /// <summary>Whether the ejection applies to an instance of its name.</summary>
    public bool IsOn(Instance instance) =>
        Instance == instance.Name && (Incarnation is null || instance.Incarnation is null || Incarnation == instance.Incarnation);
}

/// <summary>An ejection by this gateway.</summary>
internal readonly record struct OwnEjection(string Instance, Moment Until, string? Incarnation = null);

/// <summary>The combined state of all gateways.</summary>
/// <param name="Time">The store's clock, the same for all gateways.</param>
/// <param name="Gateways">The ids of running gateways, in ordinal order.</param>
/// <param name="Claims">The gateways' claims on instances.</param>
/// <param name="Drains">The newest drain directive of each instance.</param>
/// <param name="Members">The newest directive of each added or removed instance.</param>
/// <param name="Ejections">The ejections of all gateways.</param>
internal sealed record SharedFleet(
    DateTimeOffset Time,
    ImmutableArray<string> Gateways,
    ImmutableArray<SlotClaim> Claims,
    ImmutableArray<DrainMark> Drains,
    ImmutableArray<MemberMark> Members,
    ImmutableArray<EjectionMark> Ejections);

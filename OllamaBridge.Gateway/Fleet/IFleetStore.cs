using System.Collections.Immutable;
using OllamaBridge.Gateway.Common;

namespace OllamaBridge.Gateway.Fleet;

/// <summary>Where gateways tell each other what they do with the fleet. Nothing of it is asked on a request's way.</summary>
internal interface IFleetStore
{
    /// <summary>Whether other gateways can be here at all.</summary>
    bool IsShared { get; }

    /// <summary>
    /// Says what this gateway does and learns what all do, as one step. What it asks for of an instance's slots is granted as far as
    /// others have not claimed them; what it uses already is its claim in any case.
    /// </summary>
    /// <returns>Null where nobody answered in time.</returns>
    ValueTask<SharedFleet?> ExchangeAsync(GatewayReport report, CancellationToken cancellationToken);

    /// <summary>This gateway stops: it counts no longer.</summary>
    ValueTask LeaveAsync(string gateway, CancellationToken cancellationToken);
}

/// <summary>What one gateway says.</summary>
/// <param name="Gateway">Which: a name that no other process has or had.</param>
/// <param name="Lifetime">How long it counts, if nothing more is heard of it.</param>
/// <param name="Slots">Its use of each instance.</param>
/// <param name="Drains">What it knows of operators' drains and others do not.</param>
/// <param name="Members">The same of instances that operators added or removed.</param>
/// <param name="Ejections">What it has ejected itself.</param>
internal sealed record GatewayReport(
    string Gateway,
    TimeSpan Lifetime,
    ImmutableArray<SlotReport> Slots,
    ImmutableArray<DrainMark> Drains,
    ImmutableArray<MemberMark> Members,
    ImmutableArray<EjectionMark> Ejections);

/// <summary>A gateway's use of one instance.</summary>
/// <param name="Instance">The instance's name.</param>
/// <param name="Slots">How many it has.</param>
/// <param name="Used">Leases that are out.</param>
/// <param name="Waiting">Requests that could use it and wait.</param>
/// <param name="Asked">How many slots the gateway wants to be free to use.</param>
internal readonly record struct SlotReport(string Instance, int Slots, int Used, int Waiting, int Asked);

/// <summary>What a gateway has of one instance.</summary>
internal readonly record struct SlotClaim(string Gateway, string Instance, int Used, int Waiting, int Claim);

/// <summary>An operator's word on whether an instance is emptied.</summary>
/// <param name="Instance">The instance's name.</param>
/// <param name="Draining">Whether it is emptied.</param>
/// <param name="Version">When it was said, in milliseconds since 1970, or one past the word before.</param>
/// <param name="Deadline">By when it is to be empty, in milliseconds since 1970; 0 where it may take its time.</param>
/// <param name="Incarnation">Of which of those that have the name one after the other (<see cref="InstanceDefinition.Incarnation"/>); null for all.</param>
internal readonly record struct DrainMark(
    string Instance, bool Draining, long Version, long Deadline = 0, string? Incarnation = null) : IFleetWord
{
    /// <summary>Whether it is on this one of those that have the name.</summary>
    public bool IsOn(string? incarnation) => Incarnation is null || incarnation is null || Incarnation == incarnation;

    /// <summary>By when the instance is to be empty; null where it may take its time, or is not emptied.</summary>
    public DateTimeOffset? Until => Draining && Deadline > 0 ? DateTimeOffset.FromUnixTimeMilliseconds(Deadline) : null;

    /// <inheritdoc/>
    /// <remarks>Pods come and go under ever new names; a word on one of them must not stay for good.</remarks>
    public bool IsUndoing => !Draining || Incarnation is not null;
}

/// <summary>An operator's word on whether an instance belongs to the fleet.</summary>
/// <param name="Instance">The instance's name in lower case: names are the same in any.</param>
/// <param name="Definition">What it is; null where it was removed.</param>
/// <param name="Version">When it was said, in milliseconds since 1970, or one past the word before.</param>
internal readonly record struct MemberMark(string Instance, InstanceDefinition? Definition, long Version) : IFleetWord
{
    /// <inheritdoc/>
    public bool IsUndoing => Definition is null;

    /// <summary>An instance's name as words have it.</summary>
    public static string Key(string name) => name.ToLowerInvariant();
}

/// <summary>An instance that failed requests and is left alone for a while.</summary>
/// <param name="Instance">The instance's name.</param>
/// <param name="Gateway">Who found out.</param>
/// <param name="Remaining">For how long yet.</param>
/// <param name="Incarnation">Which of those that have the name one after the other; null where that cannot be told.</param>
internal readonly record struct EjectionMark(string Instance, string Gateway, TimeSpan Remaining, string? Incarnation = null)
{
    /// <summary>Whether it is on this one of those that have the name.</summary>
    public bool IsOn(Instance instance) =>
        Instance == instance.Name && (Incarnation is null || instance.Incarnation is null || Incarnation == instance.Incarnation);
}

/// <summary>What a gateway has ejected itself.</summary>
/// <param name="Instance">The instance's name.</param>
/// <param name="Until">Until when.</param>
/// <param name="Incarnation">Which of those that have the name.</param>
internal readonly record struct OwnEjection(string Instance, Moment Until, string? Incarnation = null);

/// <summary>What all gateways together say.</summary>
/// <param name="Time">The store's clock, the same for all.</param>
/// <param name="Gateways">Who is alive, in ordinal order.</param>
/// <param name="Claims">What each has of the instances.</param>
/// <param name="Drains">The newest word on each instance.</param>
/// <param name="Members">The newest word on each instance that operators added or removed.</param>
/// <param name="Ejections">What is ejected, and by whom.</param>
internal sealed record SharedFleet(
    DateTimeOffset Time,
    ImmutableArray<string> Gateways,
    ImmutableArray<SlotClaim> Claims,
    ImmutableArray<DrainMark> Drains,
    ImmutableArray<MemberMark> Members,
    ImmutableArray<EjectionMark> Ejections);

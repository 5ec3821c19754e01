using OllamaBridge.Gateway.Activation;
using OllamaBridge.Gateway.Admission;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Telemetry;

namespace OllamaBridge.Gateway.Admin;

/// <summary>The cold tiers under <c>/bridge/tiers</c>.</summary>
internal static class TierEndpoints
{
    /// <summary>Maps the endpoint into the operator's group, whose rule of access holds for it.</summary>
    public static void MapTiers(this IEndpointRouteBuilder bridge) => bridge
        .MapGet("/tiers", (ActivationService activation, RequestQueue queue, IFleet fleet) =>
            TypedResults.Ok<IReadOnlyList<TierReport>>([.. activation.Keepers.Select(k => TierReport.Of(k, queue, fleet.Current))]))
        .Describe("listTiers", "Every cold tier: how it stands, what is asked for and who waits.");
}

/// <summary>A cold tier as operators see it.</summary>
/// <param name="Name">What it is called.</param>
/// <param name="State"><see cref="TierState"/> in lower case.</param>
/// <param name="Activator">Who is asked for its instances.</param>
/// <param name="Models">Its models.</param>
/// <param name="Instances">The instances of it that are in the fleet.</param>
/// <param name="Wanted">How many the platform is to have, as this gateway last heard or said; absent where it does not know.</param>
/// <param name="MaxInstances">How many are asked for at most.</param>
/// <param name="Waiting">How many requests wait for its models at this gateway.</param>
/// <param name="UnusedSeconds">How long ago this gateway last used it; from its start on, where it has not.</param>
/// <param name="IdleSeconds">After how long without use it goes to zero.</param>
/// <param name="Error">Why the platform did not do what it was last asked; absent where it did.</param>
internal sealed record TierReport(
    string Name,
    string State,
    string Activator,
    IReadOnlyList<string> Models,
    IReadOnlyList<string> Instances,
    int? Wanted,
    int MaxInstances,
    int Waiting,
    double UnusedSeconds,
    double IdleSeconds,
    string? Error)
{
    /// <summary>What there is to tell of a tier now.</summary>
    public static TierReport Of(TierKeeper keeper, RequestQueue queue, FleetSnapshot fleet) => new(
        keeper.Tier.Name,
        Labels.Of(keeper.State),
        keeper.Tier.Options.Activator!,
        [.. keeper.Tier.Cold.Models.Select(m => m.Name)],
        [.. keeper.Tier.InstancesOf(fleet).Select(v => v.Instance.Name)],
        keeper.Wanted,
        keeper.Tier.Options.MaxInstances,
        queue.DemandOn(keeper.Tier.Cold).Waiting,
        Math.Round(keeper.Unused.TotalSeconds, 3),
        keeper.Tier.Options.IdleTime.TotalSeconds,
        keeper.Error);
}

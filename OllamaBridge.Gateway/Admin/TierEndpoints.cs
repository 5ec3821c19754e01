using OllamaBridge.Gateway.Activation;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Queueing;
using OllamaBridge.Gateway.Telemetry;

namespace OllamaBridge.Gateway.Admin;

/// <summary>The cold tiers under <c>/bridge/tiers</c>.</summary>
internal static class TierEndpoints
{
    public static void MapTiers(this IEndpointRouteBuilder bridge) => bridge
        .MapGet("/tiers", (ActivationService activation, RequestQueue queue, IFleet fleet) =>
            TypedResults.Ok<IReadOnlyList<TierReport>>([.. activation.Controllers.Select(k => TierReport.Of(k, queue, fleet.Current))]))
        .Describe("listTiers", "All cold tiers with their state, requested instances and waiting requests.");
}

/// <summary>A cold tier in the operators' API.</summary>
/// <param name="Name">Name of the tier.</param>
/// <param name="State"><see cref="TierState"/> in lower case.</param>
/// <param name="Activator">Activator that starts its instances.</param>
/// <param name="Models">Its models.</param>
/// <param name="Instances">Its instances in the fleet.</param>
/// <param name="Wanted">Number of instances that the platform should run, as this gateway last requested or read it; absent if unknown.</param>
/// <param name="MaxInstances">Maximum number of instances.</param>
/// <param name="Waiting">Number of requests that wait for its models at this gateway.</param>
/// <param name="UnusedSeconds">Time since this gateway last used it, or else since its start, in seconds.</param>
/// <param name="IdleSeconds">Time without use after which it is scaled to zero, in seconds.</param>
/// <param name="Error">Error of the platform's last operation; absent if it succeeded.</param>
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
    public static TierReport Of(ScaleFromZeroController controller, RequestQueue queue, FleetSnapshot fleet) => new(
        controller.Tier.Name,
        Labels.Of(controller.State),
        controller.Tier.Options.Activator!,
        [.. controller.Tier.Cold.Models.Select(m => m.Name)],
        [.. controller.Tier.InstancesOf(fleet).Select(v => v.Instance.Name)],
        controller.Wanted,
        controller.Tier.Options.MaxInstances,
        queue.DemandOn(controller.Tier.Cold).Waiting,
        Math.Round(controller.Unused.TotalSeconds, 3),
        controller.Tier.Options.IdleTime.TotalSeconds,
        controller.Error);
}

using System.Reflection;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Shutdown;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Fleet.Regions;

internal sealed class RegionReports(IFleet fleet, RegionPeers peers, IOptions<RegionOptions> options, GracefulStop stop, TimeProvider time)
{
    private static readonly string? Version =
        typeof(RegionReports).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0];

    private string? Self => options.Value.Self?.Trim() is { Length: > 0 } self ? self : null;

    /// <summary>Returns the report for a tenant, limited to the instances and models that the tenant may use.</summary>
    public RegionReport For(Tenant tenant)
    {
        var snapshot = fleet.Current.For(peers.WithoutPeers(tenant.Instances));
        var now = time.GetTimestamp();
        return new RegionReport(
            Self,
            Version,
            snapshot.Instances.Count(i => i.IsUsable),
            [
                .. snapshot.Models.Values
                    .Where(m => tenant.Models?.Allows(m.Key) != false)
                    .Select(m => Describe(m, now))
                    .OrderBy(m => m.Name, StringComparer.Ordinal),
            ]);
    }

    private RegionModel Describe(ModelView model, long now)
    {
        var (instances, free) = (0, 0);
        foreach (var usable in model.Usable)
        {
            // Placements with an id are on OpenAI-compatible servers. The other region may need the Ollama API for this model, so they do not count.
            if (usable.Placement.Id is not null || usable.State.IsOpenAt(now))
                continue;
            instances++;
            var instance = usable.Instance;
            var used = instance.SlotsUsed + instance.UsedElsewhere;
            if (!stop.IsLeaving && (usable.State.IsWarm || instance.HasRoom || used == 0))
                free += Math.Max(0, instance.Slots - used);
        }

        return new RegionModel(model.Key, instances, free, model.State.Waiting);
    }
}

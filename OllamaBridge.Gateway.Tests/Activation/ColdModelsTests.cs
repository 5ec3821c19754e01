using System.Text;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using OllamaBridge.Gateway.Catalog;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Tenants;
using OllamaBridge.Testing.Fleet;

namespace OllamaBridge.Gateway.Tests.Activation;

/// <summary>Snapshots with models that no running instance has.</summary>
public sealed class ColdModelsTests
{
    private static readonly ColdTier Tier = new("cold", ["Big:70b", "a"], "cold-", TimeSpan.FromMinutes(1)) { IsExclusive = false };

    [Fact]
    public void Build_NoInstanceHasModel_ListedAsAsleep()
    {
        var snapshot = Fleet().With("hot", "a").Build();

        var model = snapshot.Find("big:70b", default)!;
        Assert.True(model.IsAsleep);
        Assert.Same(Tier, model.Tier);
        Assert.Empty(model.Placements);
        // A hot instance has the other model.
        Assert.False(snapshot.Find("a:latest", default)!.IsAsleep);
        Assert.Null(snapshot.Find("b:latest", default));
    }

    [Fact]
    public void Build_SharedModelFolder_ModelBelongsToTierOnly()
    {
        var tier = new ColdTier("cold", ["a"], "cold-", TimeSpan.FromMinutes(1));
        var fleet = new FleetBuilder(new ColdTiers([tier])).With("hot", "a b");

        var asleep = fleet.Build();
        Assert.True(asleep.Models["a:latest"].IsAsleep);
        Assert.Equal(["hot"], asleep.Models["b:latest"].Placements.Select(p => p.Instance.Name));
        Assert.Single(Tags(asleep), m => m["name"]!.GetValue<string>() == "a");

        var awake = fleet.With("cold-0", "a b").Build();
        Assert.Equal(["cold-0"], awake.Models["a:latest"].Placements.Select(p => p.Instance.Name));
        Assert.Equal(["hot", "cold-0"], awake.Models["b:latest"].Placements.Select(p => p.Instance.Name));
    }

    [Fact]
    public void Build_InstanceComesDrainsAndLeaves_StateAndListedModelStay()
    {
        var fleet = Fleet().With("hot", "b");
        var before = fleet.Build().Models["big:70b"].State;
        before.AddWaiting(1);
        var awake = fleet.With("cold-0", "").Change("cold-0", v => v with
        {
            Catalog = [FleetBuilder.Model("big:70b", FleetBuilder.Day, """{"name":"big:70b","size":7}""")],
        }).Build();
        Assert.Same(before, awake.Models["big:70b"].State);
        Assert.False(awake.Models["big:70b"].IsAsleep);
        Assert.True(fleet.Change("cold-0", v => v with { Draining = true }).Build().Models["big:70b"].IsAsleep);
        Assert.True(fleet.Change("cold-0", v => v with { Draining = false, Status = InstanceStatus.Unhealthy }).Build().Models["big:70b"].IsAsleep);

        var after = fleet.Remove("cold-0").Build();

        Assert.Same(before, after.Models["big:70b"].State);
        Assert.Equal(7, Tags(after).Single(m => m["name"]!.GetValue<string>() == "big:70b")["size"]!.GetValue<int>());
    }

    [Fact]
    public void Build_OtherInstanceHadModel_NotListedForTier()
    {
        var fleet = Fleet().With("hot", "").Change("hot", v => v with { Catalog = [FleetBuilder.Model("big:70b", FleetBuilder.Day, """{"name":"big:70b","size":7}""")] });
        fleet.Build();
        Assert.Equal(0, Tags(fleet.Remove("hot").Build()).Single(m => m["name"]!.GetValue<string>() == "Big:70b")["size"]!.GetValue<int>());
    }

    [Theory]
    [InlineData("cold-*", true)]
    [InlineData("cold-0", true)]
    [InlineData("*", true)]
    [InlineData("hot", false)]
    public void For_TenantWithOwnInstances_OnlyIfTierAllowed(string given, bool expected)
    {
        var tenant = new TenantRecord { Id = "t", Instances = [given] };
        var part = Fleet().With("hot", "b").Build().For(InstanceAccess.Of(tenant, [tenant]));

        Assert.Equal(expected, part.Find("big:70b", default) is { IsAsleep: true });
        Assert.Equal(expected, Tags(part).Any(m => m["name"]!.GetValue<string>() == "Big:70b"));
        Assert.Equal(expected ? 2 : 0, part.Cold.Length);
    }

    [Fact]
    public void For_TenantWithoutTier_StillHasModelElsewhere()
    {
        var tenant = new TenantRecord { Id = "t", Instances = ["hot"] };
        var model = Fleet().With("hot", "a").With("cold-0", "a").Build().For(InstanceAccess.Of(tenant, [tenant])).Find("a:latest", default)!;
        Assert.Equal(["hot"], model.Placements.Select(p => p.Instance.Name));
        Assert.Null(model.Tier);
    }

    [Fact]
    public async Task Health_OnlyColdModels_Ready()
    {
        var fleet = new FakeFleet();
        var check = new FleetHealthCheck(fleet, new FakeSource());
        Assert.Equal(HealthStatus.Unhealthy, (await check.CheckHealthAsync(new HealthCheckContext(), TestContext.Current.CancellationToken)).Status);
        fleet.Publish(Fleet().Build());
        Assert.Equal(HealthStatus.Degraded, (await check.CheckHealthAsync(new HealthCheckContext(), TestContext.Current.CancellationToken)).Status);
    }

    private static FleetBuilder Fleet() => new(new ColdTiers([Tier]));

    private static IEnumerable<JsonNode> Tags(FleetSnapshot snapshot) =>
        JsonNode.Parse(Encoding.UTF8.GetString(Inventory.Of(snapshot).Tags.Span))!["models"]!.AsArray().Select(m => m!);
}

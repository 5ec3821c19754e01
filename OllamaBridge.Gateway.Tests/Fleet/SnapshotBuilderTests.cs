using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Testing.Fleet;

namespace OllamaBridge.Gateway.Tests.Fleet;

public class SnapshotBuilderTests
{
    [Fact]
    public void Build_SeveralInstances_ModelsMerged()
    {
        var snapshot = new FleetBuilder().With("i", "a b").With("j", "b c").With("k", "").Build();

        Assert.Equal(["a:latest", "b:latest", "c:latest"], snapshot.Models.Keys.Order());
        Assert.Equal(["i", "j"], snapshot.Models["b:latest"].Placements.Select(p => p.Instance.Name));
        Assert.Equal(["i", "j", "k"], snapshot.Anything.Placements.Select(p => p.Instance.Name));
    }

    [Fact]
    public void Build_SameModelInDifferentSpelling_OnePlacementEach()
    {
        var snapshot = new FleetBuilder().With("i", "Tiny:latest").With("j", "library/tiny").Build();
        var model = Assert.Single(snapshot.Models);
        Assert.Equal("tiny:latest", model.Key);
        Assert.Equal(2, model.Value.Placements.Length);
    }

    [Fact]
    public void Build_Again_VersionIncreasesAndStateKept()
    {
        var fleet = new FleetBuilder().With("i").With("j");
        var first = fleet.Build();
        var before = fleet.Placement("i").State;
        before.Enter(1);
        fleet.Change("i", v => v with { Status = InstanceStatus.Unhealthy });
        var second = fleet.Build();

        Assert.Equal(first.Version + 1, second.Version);
        Assert.Same(before, fleet.Placement("i").State);
        Assert.Equal(1, fleet.Placement("i").State.Active);
        Assert.Same(first.Models["a:latest"].State, second.Models["a:latest"].State);
        Assert.Same(first.Anything.Placements[0].State, second.Anything.Placements[0].State);
        Assert.False(fleet.Placement("i").View.IsUsable);
    }

    [Fact]
    public void Build_InitiallyLoaded_ResidentAndCounted()
    {
        var fleet = new FleetBuilder().With("i", "a b", loaded: "a").With("j", "a", loaded: "a");
        var snapshot = fleet.Build();
        Assert.True(fleet.Placement("i").State.IsLoaded);
        Assert.False(fleet.Placement("i", "b").State.IsResident);
        Assert.Equal(2, snapshot.Models["a:latest"].State.Copies);
    }

    [Fact]
    public void ObserveLoaded_Changes_CopiesUpdated()
    {
        var fleet = new FleetBuilder().With("i", "a b").With("j", "a");
        var snapshot = fleet.Build();
        fleet.Observe("i", "a", 1);
        fleet.Observe("j", "a", 1);
        Assert.Equal(2, snapshot.Models["a:latest"].State.Copies);
        fleet.Observe("i", "b", 2);
        Assert.Equal(1, snapshot.Models["a:latest"].State.Copies);
        Assert.Equal(1, snapshot.Models["b:latest"].State.Copies);
    }

    [Fact]
    public void ObserveLoaded_Count_BecomesCapacity()
    {
        var fleet = new FleetBuilder().With("i", "a b c");
        fleet.Build();
        fleet.Observe("i", "a b", 1);
        Assert.Equal(2, fleet["i"].Capacity);
    }

    [Fact]
    public void Build_ModelRemovedAndBack_CopiesCorrect()
    {
        var fleet = new FleetBuilder().With("i", "a b", loaded: "a").With("j", "a", loaded: "a");
        var model = fleet.Build().Models["a:latest"].State;

        fleet.Change("i", v => v with { Catalog = FleetBuilder.Catalog("b"), Loaded = [] });
        Assert.Single(fleet.Build().Models["a:latest"].Placements);
        Assert.Equal(1, model.Copies);
        Assert.Equal(1, fleet["i"].Placements.Length);

        fleet.Change("i", v => v with { Catalog = FleetBuilder.Catalog("b a"), Loaded = FleetBuilder.Loaded("a") });
        Assert.Same(model, fleet.Build().Models["a:latest"].State);
        Assert.Equal(2, model.Copies);
    }

    [Fact]
    public void Build_ModelReplaced_OldOneForgotten()
    {
        var fleet = new FleetBuilder().With("i", "a");
        fleet.Build();
        fleet.Change("i", v => v with { Catalog = FleetBuilder.Catalog("b") });
        Assert.Equal(["b:latest"], fleet.Build().Models.Keys);
        Assert.Equal("b:latest", fleet["i"].Placements[0].Model.Key);
        Assert.Equal(1, fleet["i"].Placements.Length);
    }

    [Fact]
    public void Build_ModelRemovedWithWaitingRequests_StateKept()
    {
        var fleet = new FleetBuilder().With("i", "a");
        var model = fleet.Build().Models["a:latest"].State;
        model.AddWaiting(1);
        fleet.Change("i", v => v with { Catalog = [] });
        Assert.Empty(fleet.Build().Models);
        fleet.Change("i", v => v with { Catalog = FleetBuilder.Catalog("a") });
        Assert.Same(model, fleet.Build().Models["a:latest"].State);
    }

    [Fact]
    public void Build_InstanceRemoved_CopiesRemoved()
    {
        var fleet = new FleetBuilder().With("i", "a", loaded: "a").With("j", "a", loaded: "a");
        var model = fleet.Build().Models["a:latest"].State;
        var snapshot = fleet.Remove("i").Build();
        Assert.Equal(1, model.Copies);
        Assert.Single(snapshot.Instances);
        Assert.Single(snapshot.Anything.Placements);
    }

    [Fact]
    public void AnyCatalogKnown_OneKnown_True()
    {
        var fleet = new FleetBuilder().With("i").With("j");
        fleet.Change("i", v => v with { CatalogKnown = false });
        Assert.True(fleet.Build().AnyCatalogKnown);
        fleet.Change("j", v => v with { CatalogKnown = false });
        Assert.False(fleet.Build().AnyCatalogKnown);
        Assert.False(FleetSnapshot.Empty.AnyCatalogKnown);
    }

    [Theory]
    [InlineData("Healthy", false, true)]
    [InlineData("Healthy", true, false)]
    [InlineData("Unknown", false, false)]
    [InlineData("Unhealthy", false, false)]
    [InlineData("Ejected", false, false)]
    public void IsUsable_HealthyAndNotDraining(string status, bool draining, bool usable)
    {
        var fleet = new FleetBuilder().With("i").Change("i", v => v with { Status = Enum.Parse<InstanceStatus>(status), Draining = draining });
        Assert.Equal(usable, fleet.Build().Instances[0].IsUsable);
    }
}

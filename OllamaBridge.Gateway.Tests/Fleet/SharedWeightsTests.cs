using Microsoft.Extensions.Time.Testing;
using OllamaBridge.Gateway.Discovery;
using OllamaBridge.Testing.Fleet;
using OllamaBridge.Testing.Scheduling;

namespace OllamaBridge.Gateway.Tests.Fleet;

/// <summary>Names that share their weights use one runner of an instance (<c>ollama cp</c>).</summary>
public class SharedWeightsTests
{
    private readonly FakeTimeProvider _clock = new();

    [Fact]
    public void Decide_WeightsLoadedUnderAnotherName_ThatInstance()
    {
        var fleet = Fleet(("i", "a copy", ""), ("j", "a copy", "a"), ("k", "a copy", ""));
        for (var i = 0; i < 20; i++)
            Assert.Equal("j", Deciding.Scheduler(_clock, random: new Random(i)).Decide(Deciding.For(fleet, "copy")).Placement!.Instance.Name);
    }

    [Fact]
    public void Decide_OtherWeights_NoPreference()
    {
        var fleet = Fleet(("i", "a other", ""), ("j", "a other", "a"));
        Assert.Equal("i", Deciding.Scheduler(_clock).Decide(Deciding.For(fleet, "other")).Placement!.Instance.Name);
    }

    [Fact]
    public void Lease_WeightsLoadedUnderAnotherName_NoLoad()
    {
        var fleet = Fleet(("j", "a copy", "a"));
        using var lease = Deciding.Take(fleet, "j", "copy", _clock);
        Assert.True(lease.WasLoaded);
        Assert.Equal(1, fleet["j"].Residents);
        Assert.False(fleet.Placement("j", "copy").State.IsResident);
    }

    [Fact]
    public void Lease_WeightsLoadingUnderAnotherName_NoSecondLoad()
    {
        var fleet = Fleet(("j", "a copy", ""));
        fleet.Change("j", v => v);
        using var first = Deciding.Take(fleet, "j", "a", _clock);
        fleet["j"].Configure(new InstanceDefinition("j", fleet["j"].Url, 2, 0));
        using var second = Deciding.Take(fleet, "j", "copy", _clock);
        Assert.False(second.WasLoaded);
        Assert.Equal(1, fleet["j"].Residents);
    }

    [Fact]
    public void Build_NameGetsOtherWeights_NoLongerShared()
    {
        var fleet = Fleet(("j", "a copy", "a"));
        Assert.True(fleet.Placement("j", "copy").State.IsWarm);
        fleet.Change("j", v => v with { Catalog = [.. v.Catalog.Select(m => m.Name == "copy" ? m with { Digest = "new" } : m)] });
        fleet.Build();
        Assert.False(fleet.Placement("j", "copy").State.IsWarm);
        Assert.True(fleet.Placement("j", "a").State.IsWarm);
    }

    /// <summary>The names <c>a</c> and <c>copy</c> have the same digest; each other name has its own.</summary>
    private static FleetBuilder Fleet(params (string Name, string Models, string Loaded)[] instances)
    {
        var fleet = new FleetBuilder();
        foreach (var (name, models, loaded) in instances)
            fleet.With(name, models, loaded).Change(name, v => v with
            {
                Catalog = [.. v.Catalog.Select(m => m with { Digest = m.Name is "a" or "copy" ? "same" : m.Name })],
            });
        fleet.Build();
        return fleet;
    }
}

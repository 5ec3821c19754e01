using OllamaBridge.Gateway.Discovery;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Scheduling.Filters;
using OllamaBridge.Testing.Fleet;
using OllamaBridge.Testing.Scheduling;

namespace OllamaBridge.Gateway.Tests.Scheduling;

public class FilterTests
{
    private readonly FleetBuilder _fleet = new FleetBuilder().With("i").With("j").With("k");

    [Fact]
    public void Usable_MixedStates_HealthyAndNotDraining()
    {
        _fleet.With("l")
            .Change("i", v => v with { Status = InstanceStatus.Unhealthy })
            .Change("j", v => v with { Draining = true })
            .Change("k", v => v with { Status = InstanceStatus.Ejected })
            .Build();
        Assert.Equal(["l"], Deciding.For(_fleet).Model.Usable.Select(u => u.Instance.Name));
    }

    [Fact]
    public void NotTriedFilter_NoneTried_KeepsAll()
    {
        _fleet.Build();
        Assert.Equal(["i", "j", "k"], Deciding.Keep(new NotTriedFilter(), Deciding.For(_fleet)));
    }

    [Fact]
    public void NotTriedFilter_Tried_Excluded()
    {
        _fleet.Build();
        Assert.Equal(["j"], Deciding.Keep(new NotTriedFilter(), Deciding.For(_fleet, tried: [_fleet["i"], _fleet["k"]])));
    }

    [Fact]
    public void NotTriedFilter_BoundInstance_KeptUnlessTried()
    {
        _fleet.Build();
        Assert.Equal(["k"], Deciding.Keep(new NotTriedFilter(), Deciding.For(_fleet, only: _fleet["k"])));
        Assert.Empty(Deciding.Keep(new NotTriedFilter(), Deciding.For(_fleet, only: _fleet["k"], tried: [_fleet["k"]])));
    }

    [Fact]
    public void FreeSlotFilter_MixedLoads_KeepsInstancesWithFreeSlot()
    {
        _fleet.Build();
        _fleet["j"].TryTakeSlot();
        Assert.Equal(["i", "k"], Deciding.Keep(new FreeSlotFilter(), Deciding.For(_fleet)));
        Assert.Equal(["i", "j", "k"], Deciding.Keep(new FreeSlotFilter(), Deciding.For(_fleet, needsSlot: false)));
    }

    [Fact]
    public void FreeSlotFilter_MoreUsedThanExist_Full()
    {
        _fleet.With("l", slots: 2).Build();
        _fleet["l"].TryTakeSlot();
        _fleet["l"].TryTakeSlot();
        _fleet["l"].Configure(new InstanceDefinition("l", _fleet["l"].Url, 1, 0));
        Assert.DoesNotContain("l", Deciding.Keep(new FreeSlotFilter(), Deciding.For(_fleet)));
    }

    [Fact]
    public void FreeSlotFilter_AllSlotsTaken_Full()
    {
        for (var slots = 1; slots <= 256; slots++)
        {
            var instance = new Instance(new InstanceDefinition("n", new Uri("http://127.0.0.1:1"), slots, 0));
            for (var i = 0; i < slots; i++)
            {
                Assert.True(instance.FreeShare > 0);
                Assert.True(instance.TryTakeSlot());
            }

            Assert.Equal(0f, instance.FreeShare);
        }
    }
}

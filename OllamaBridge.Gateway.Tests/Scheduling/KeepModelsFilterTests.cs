using Microsoft.Extensions.Time.Testing;
using OllamaBridge.Gateway.Scheduling;
using OllamaBridge.Gateway.Scheduling.Filters;
using OllamaBridge.Gateway.Tests.Fleet;

namespace OllamaBridge.Gateway.Tests.Scheduling;

/// <summary>Three instances, each with room for one model, all of which have a, b, c and d on disk.</summary>
public class KeepModelsFilterTests
{
    private static readonly SchedulingOptions Options = new();
    private readonly FakeTimeProvider _clock = new();
    private readonly FleetBuilder _fleet = new();
    private readonly KeepModelsFilter _filter;

    public KeepModelsFilterTests() => _filter = new KeepModelsFilter(Microsoft.Extensions.Options.Options.Create(Options), _clock);

    [Fact]
    public void Keep_InMemoryWithAFreeSlot_OnlyThere()
    {
        Fleet("a", "", "b");
        Assert.Equal(["i"], Keep("a"));
    }

    [Fact]
    public void Keep_InMemoryTwiceOneBusy_BothKept()
    {
        Fleet("a", "a", "b");
        Take("i", "a");
        Assert.Equal(["i", "j"], Keep("a")); // which has a slot is another filter's matter
    }

    [Fact]
    public void Keep_InMemoryButBusyOthersInUse_Waits()
    {
        Fleet("a", "b", "c");
        Take("i", "a");
        Take("j", "b").Dispose();
        Take("k", "c").Dispose();
        Assert.Equal(["i"], Keep("a"));
    }

    [Fact]
    public void Keep_InMemoryButBusyOneHasRoom_MayLoadThere()
    {
        Fleet("a", "", "b");
        Take("i", "a");
        Take("k", "b").Dispose();
        Assert.Equal(["i", "j"], Keep("a"));
    }

    [Fact]
    public void Keep_InMemoryButBusyAnotherNotNeededLately_MayLoadThere()
    {
        Fleet("a", "b", "c");
        Take("i", "a");
        Take("j", "b").Dispose();
        _clock.Advance(Options.DemandWindow);
        Take("k", "c").Dispose();
        Assert.Equal(["i", "j"], Keep("a"));
    }

    [Fact]
    public void Keep_JustInsideTheDemandWindow_Waits()
    {
        Fleet("a", "b", "c");
        Take("i", "a");
        Take("j", "b").Dispose();
        Take("k", "c").Dispose();
        _clock.Advance(Options.DemandWindow - TimeSpan.FromTicks(1));
        Assert.Equal(["i"], Keep("a"));
    }

    [Fact]
    public void Keep_InMemoryButBusyForLong_SpillsAnywhere()
    {
        Fleet("a", "b", "c");
        Take("i", "a");
        Take("j", "b").Dispose();
        Take("k", "c");
        Assert.Equal(["i"], Keep("a", Options.SpillAfter - TimeSpan.FromTicks(1)));
        Assert.Equal(["i", "j", "k"], Keep("a", Options.SpillAfter));
    }

    [Fact]
    public void Keep_InMemoryNowhereSomeIdle_LoadsThereAlthoughUsedLately()
    {
        Fleet("a", "b", "c");
        Take("i", "a");
        Take("j", "b").Dispose();
        Take("k", "c");
        Assert.Equal(["j"], Keep("d"));
    }

    [Fact]
    public void Keep_InMemoryNowhereAllBusy_WaitsThenAnywhere()
    {
        Fleet("a", "b", "c", slots: 2);
        foreach (var (instance, model) in new[] { ("i", "a"), ("j", "b"), ("k", "c") })
            Take(instance, model);
        Assert.Empty(Keep("d", Options.SwapAfter - TimeSpan.FromTicks(1)));
        Assert.Equal(["i", "j", "k"], Keep("d", Options.SwapAfter));
    }

    [Fact]
    public void Keep_OnItsWayToMemory_CountsAsThere()
    {
        Fleet("", "", "", slots: 2);
        Take("i", "a");
        Assert.Equal(["i"], Keep("a"));
    }

    [Fact]
    public void Keep_OnItsWayElsewhereAndBusy_EmptyInstanceMayLoadToo()
    {
        Fleet("", "", "b");
        Take("i", "a");
        Take("k", "b");
        Assert.Equal(["i", "j"], Keep("a"));
    }

    [Fact]
    public void Keep_InMemoryEverywhere_All()
    {
        Fleet("a", "a", "a");
        Take("i", "a");
        Assert.Equal(["i", "j", "k"], Keep("a"));
    }

    [Fact]
    public void Keep_RoomForTwo_NothingIsDisplaced()
    {
        _fleet.With("i", "a b c", loaded: "a", capacity: 2).Build();
        Take("i", "a").Dispose();
        Assert.Equal(["i"], Keep("b"));
        Take("i", "b").Dispose();
        Assert.Equal(["i"], Keep("c")); // full, but idle
    }

    [Fact]
    public void Keep_NeverUsedYet_NotInUseHoweverShortTheMachineIsUp()
    {
        Fleet("a", "b", "c");
        Take("i", "a");
        var justBooted = TimeSpan.FromSeconds(5).Ticks; // timestamps count from the machine's start
        var kept = Deciding.Keep(_filter, Deciding.For(_fleet, now: justBooted));
        Assert.Equal(["i", "j", "k"], kept);
    }

    [Fact]
    public void Keep_NoSlotNeededOrNoModel_All()
    {
        Fleet("a", "", "b");
        Assert.Equal(["i", "j", "k"], Deciding.Keep(_filter, Deciding.For(_fleet, needsSlot: false)));
        Assert.Equal(["i", "j", "k"], Deciding.Keep(_filter, Deciding.For(_fleet, model: "")));
    }

    private void Fleet(string i, string j, string k, int slots = 1)
    {
        foreach (var (name, loaded) in new[] { ("i", i), ("j", j), ("k", k) })
            _fleet.With(name, "a b c d", loaded, slots, capacity: 1);
        _fleet.Build();
    }

    private InstanceLease Take(string instance, string model)
    {
        var lease = Deciding.Take(_fleet, instance, model, _clock);
        lease.Answered = true;
        return lease;
    }

    private IEnumerable<string> Keep(string model, TimeSpan waited = default) =>
        Deciding.Keep(_filter, Deciding.For(_fleet, model, now: _clock.GetTimestamp(), waited: waited));
}

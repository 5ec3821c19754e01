using Microsoft.Extensions.Time.Testing;
using OllamaBridge.Gateway.Scheduling;
using OllamaBridge.Gateway.Scheduling.Filters;
using OllamaBridge.Testing.Fleet;
using OllamaBridge.Testing.Scheduling;

namespace OllamaBridge.Gateway.Tests.Scheduling;

/// <summary>Three instances with memory for one model each. All have the models a, b, c and d on disk.</summary>
public class KeepModelsFilterTests
{
    private static readonly SchedulingOptions Options = new();
    private readonly FakeTimeProvider _clock = new();
    private readonly FleetBuilder _fleet = new();
    private readonly KeepModelsFilter _filter;

    public KeepModelsFilterTests() => _filter = new KeepModelsFilter(Microsoft.Extensions.Options.Options.Create(Options), _clock);

    [Fact]
    public void Keep_InMemoryWithFreeSlot_OnlyThatInstance()
    {
        Fleet("a", "", "b");
        Assert.Equal(["i"], Keep("a"));
    }

    [Fact]
    public void Keep_InMemoryTwiceOneBusy_BothKept()
    {
        Fleet("a", "a", "b");
        Take("i", "a");
        Assert.Equal(["i", "j"], Keep("a")); // another filter checks for free slots
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
    public void Keep_InMemoryButBusyOtherHasRoom_MayLoad()
    {
        Fleet("a", "", "b");
        Take("i", "a");
        Take("k", "b").Dispose();
        Assert.Equal(["i", "j"], Keep("a"));
    }

    [Fact]
    public void Keep_InMemoryButBusyOtherModelIdle_MayLoad()
    {
        Fleet("a", "b", "c");
        Take("i", "a");
        Take("j", "b").Dispose();
        _clock.Advance(Options.DemandWindow);
        Take("k", "c").Dispose();
        Assert.Equal(["i", "j"], Keep("a"));
    }

    [Fact]
    public void Keep_WithinDemandWindow_Waits()
    {
        Fleet("a", "b", "c");
        Take("i", "a");
        Take("j", "b").Dispose();
        Take("k", "c").Dispose();
        _clock.Advance(Options.DemandWindow - TimeSpan.FromTicks(1));
        Assert.Equal(["i"], Keep("a"));
    }

    [Fact]
    public void Keep_InMemoryButBusyForLong_LoadsAnywhere()
    {
        Fleet("a", "b", "c");
        Take("i", "a");
        Take("j", "b").Dispose();
        Take("k", "c");
        Assert.Equal(["i"], Keep("a", Options.SpillAfter - TimeSpan.FromTicks(1)));
        Assert.Equal(["i", "j", "k"], Keep("a", Options.SpillAfter));
    }

    [Fact]
    public void Keep_NotInMemorySomeIdle_LoadsDespiteRecentUse()
    {
        Fleet("a", "b", "c");
        Take("i", "a");
        Take("j", "b").Dispose();
        Take("k", "c");
        Assert.Equal(["j"], Keep("d"));
    }

    [Fact]
    public void Keep_NotInMemoryAllBusy_WaitsThenLoadsAnywhere()
    {
        Fleet("a", "b", "c", slots: 2);
        foreach (var (instance, model) in new[] { ("i", "a"), ("j", "b"), ("k", "c") })
            Take(instance, model);
        Assert.Empty(Keep("d", Options.SwapAfter - TimeSpan.FromTicks(1)));
        Assert.Equal(["i", "j", "k"], Keep("d", Options.SwapAfter));
    }

    [Fact]
    public void Keep_Loading_CountsAsInMemory()
    {
        Fleet("", "", "", slots: 2);
        Take("i", "a");
        Assert.Equal(["i"], Keep("a"));
    }

    [Fact]
    public void Keep_LoadingElsewhereAndBusy_EmptyInstanceMayLoad()
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
    public void Keep_RoomForTwo_NoEviction()
    {
        _fleet.With("i", "a b c", loaded: "a", capacity: 2).Build();
        Take("i", "a").Dispose();
        Assert.Equal(["i"], Keep("b"));
        Take("i", "b").Dispose();
        Assert.Equal(["i"], Keep("c")); // full, but idle
    }

    [Fact]
    public void Keep_NeverUsed_NotInUseShortlyAfterBoot()
    {
        Fleet("a", "b", "c");
        Take("i", "a");
        var justBooted = TimeSpan.FromSeconds(5).Ticks; // timestamps start at the machine's boot
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

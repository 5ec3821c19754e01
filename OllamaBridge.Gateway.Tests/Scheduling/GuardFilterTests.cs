using FsCheck;
using FsCheck.Fluent;
using Microsoft.Extensions.Time.Testing;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Fleet.Breaker;
using OllamaBridge.Gateway.Scheduling;
using OllamaBridge.Gateway.Scheduling.Filters;
using OllamaBridge.Gateway.Tests.Fleet.Breaker;
using OllamaBridge.Testing.Fleet;
using OllamaBridge.Testing.Scheduling;

namespace OllamaBridge.Gateway.Tests.Scheduling;

public class GuardFilterTests
{
    private static readonly BreakerRules Rules = Rule.Of();
    private readonly FakeTimeProvider _clock = new();

    private long Now => _clock.GetTimestamp();

    [Fact]
    public void Keep_OneOpen_KeepsOthers()
    {
        var fleet = Fleet("open", "steady", "steady");
        Assert.Equal(["i1", "i2"], Keep(fleet));
    }

    [Fact]
    public void Keep_Lookup_KeepsOpenInstances() =>
        Assert.Equal(2, Deciding.Keep(new GuardFilter(), Request(Fleet("open", "steady"), needsSlot: false)).Count());

    [Fact]
    public void Decide_AllOpen_NoneUsableAndForRetryAllTried()
    {
        var fleet = Fleet("open", "open");
        Assert.Equal(SchedulingOutcome.NoneUsable, Decide(Request(fleet)).Outcome);
        Assert.Equal(SchedulingOutcome.AllTried, Decide(Request(fleet, tried: [fleet["i0"]])).Outcome);
        Assert.Equal(SchedulingOutcome.NoneUsable, Decide(Request(fleet, tried: [])).Outcome); // the first instance that recovers may serve it
    }

    [Theory]
    [InlineData("busy")]
    [InlineData("probing")]
    public void Decide_NoInstanceNowButSoon_Busy(string condition) => Assert.Equal(SchedulingOutcome.Busy, Decide(Request(Fleet(condition, "open"))).Outcome);

    [Fact]
    public void Keep_HalfOpenWithModelLoaded_GetsNextRequest() => Assert.Equal(["i1"], Keep(Fleet("steady", "half")));

    [Fact]
    public void Keep_HalfOpen_ExcludedForRetry()
    {
        var fleet = Fleet("steady", "half", "steady");
        Assert.Equal(["i0", "i2"], Deciding.Keep(new GuardFilter(), Request(fleet, tried: [fleet["none"]])));
        Assert.Equal(["i0", "i2"], Deciding.Keep(new GuardFilter(), Request(fleet) with { NoRetry = true }));
    }

    [Theory]
    [InlineData("half")]
    [InlineData("start")]
    public void Keep_RetryWithoutSteadyFreeSlot_KeepsRecoveringInstance(string condition)
    {
        var fleet = Fleet("steady", condition);
        Take(fleet, "i0", 8);
        Take(fleet, "i1", 5); // more than slow start allows so early
        Assert.Equal(["i0", "i1"], Deciding.Keep(new GuardFilter(), Request(fleet, tried: [fleet["none"]])));
        Assert.NotNull(Grip(fleet, tried: [fleet["none"]]));
        if (condition == "start")
            Assert.Null(Grip(fleet));
    }

    [Fact]
    public void Keep_OnlyHalfOpen_KeptForAnyRequest()
    {
        var fleet = Fleet("half", "open");
        Assert.Equal(["i0"], Deciding.Keep(new GuardFilter(), Request(fleet, tried: [fleet["none"]])));
        Assert.Equal(["i0"], Deciding.Keep(new GuardFilter(), Request(fleet) with { NoRetry = true }));
    }

    [Fact]
    public void Keep_HalfOpenFull_DoesNotWait()
    {
        var fleet = Fleet("steady", "half");
        while (fleet["i1"].TryTakeSlot())
        {
            // Requests of another model.
        }

        Assert.Contains("i0", Keep(fleet));
    }

    [Fact]
    public void Keep_HalfOpenWithoutModelLoaded_OneOfSeveral()
    {
        var fleet = Fleet(loaded: false, "steady", "half");
        Assert.Equal(["i0", "i1"], Keep(fleet));
    }

    [Theory]
    [InlineData("cpu")]
    [InlineData("slow")]
    [InlineData("memory")]
    public void Keep_Quarantined_OnlyWithoutAlternative(string condition)
    {
        Assert.Equal(["i0"], Keep(Fleet("steady", condition)));
        Assert.Equal(["i0"], Keep(Fleet("start", condition)));
        Assert.Equal(["i1"], Keep(Fleet("open", condition)));
        Assert.Equal(["i0", "i1"], Keep(Fleet(condition, condition)));
    }

    [Fact]
    public void Keep_QuarantinedAndOthersMustEvict_Kept()
    {
        var fleet = new FleetBuilder().With("i0", "a b", loaded: "b", slots: 8, capacity: 1).With("i1", "a b", loaded: "a", slots: 8, capacity: 1);
        fleet.Build();
        Arrange(fleet, "i1", "cpu");
        Assert.Equal(["i0", "i1"], Keep(fleet));
    }

    [Fact]
    public void Keep_SlowAndProbeDue_GetsNextRequest()
    {
        var fleet = Fleet("steady", "slow");
        Assert.Equal(["i0"], Keep(fleet));
        _clock.Advance(TimeSpan.FromSeconds(30));
        Assert.Equal(["i1"], Keep(fleet));
    }

    [Fact]
    public void Decide_SlowStart_OneRequestAtFirst()
    {
        var fleet = Fleet("start", "steady");
        Take(fleet, "i1", 7);
        Assert.Equal("i0", Grip(fleet)); // idle beats nearly full
        Assert.Equal("i1", Grip(fleet)); // but not for a second request
        Assert.Equal(SchedulingOutcome.Busy, Decide(Request(fleet)).Outcome);
        _clock.Advance(TimeSpan.FromSeconds(5)); // 1 + 7 ÷ 2
        for (var i = 0; i < 3; i++)
            Assert.Equal("i0", Grip(fleet));
        Assert.Equal(SchedulingOutcome.Busy, Decide(Request(fleet)).Outcome);
        _clock.Advance(TimeSpan.FromSeconds(5));
        Assert.Equal("i0", Grip(fleet));
    }

    [Theory]
    [InlineData("start", "open")]
    [InlineData("start", "cpu")]
    [InlineData("start", "busy")]
    public void Decide_SlowStartWithoutSteadyInstance_UsesAllSlots(string first, string second)
    {
        var fleet = Fleet(first, second);
        for (var i = 0; i < 8; i++)
            Assert.Equal("i0", Grip(fleet));
    }

    [Fact]
    public void Decide_WholeFleetInSlowStart_UsesAllSlots()
    {
        var fleet = Fleet("start", "start");
        for (var i = 0; i < 16; i++)
            Assert.NotNull(Grip(fleet));
    }

    [Fact]
    public void Decide_AnyConditions_PicksAllowedInstanceIfAny()
    {
        string[] all = ["steady", "start", "cpu", "slow", "half", "open", "busy", "probing"];
        Prop.ForAll(Gen.Choose(0, all.Length - 1).NonEmptyListOf().ToArbitrary(), Gen.Choose(0, 3).ToArbitrary(), (picks, bits) =>
        {
            var fleet = Fleet((bits & 1) == 0, [.. picks.Select(p => all[p])]);
            var request = Request(fleet, tried: (bits & 2) == 0 ? null : [fleet["none"]]);
            var decision = Decide(request);
            if (decision.Placement is { } placement)
            {
                var condition = all[picks[int.Parse(placement.Instance.Name[1..], System.Globalization.CultureInfo.InvariantCulture)]];
                var others = picks.Select(p => all[p]).ToArray();
                return condition switch
                {
                    "open" or "busy" or "probing" => false,
                    "cpu" or "slow" => !others.Contains("steady") && !others.Contains("start"),
                    "half" => request.Tried is null || !others.Any(o => o is "steady" or "start" or "cpu" or "slow"),
                    _ => true,
                };
            }

            return picks.All(p => all[p] is "open" or "busy" or "probing")
                && decision.Outcome == (picks.Any(p => all[p] is "busy" or "probing") ? SchedulingOutcome.Busy
                    : request.Tried is null ? SchedulingOutcome.NoneUsable : SchedulingOutcome.AllTried);
        }).QuickCheckThrowOnFailure();
    }

    [Fact]
    public void Decide_ManyInstancesSomeRestricted_AllocatesNothing()
    {
        string[] all = ["steady", "start", "cpu", "slow", "open", "busy"];
        var fleet = Fleet([.. Enumerable.Range(0, 1000).Select(i => all[i % all.Length])]);
        var scheduler = Deciding.Scheduler(_clock);
        var request = Request(fleet);
        for (var i = 0; i < 100; i++)
            scheduler.Decide(request);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 100; i++)
            scheduler.Decide(request);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    private FleetBuilder Fleet(params string[] conditions) => Fleet(loaded: true, conditions);

    /// <summary>One instance (i0, i1, …) with eight slots for each condition, and one without the model.</summary>
    private FleetBuilder Fleet(bool loaded, params string[] conditions)
    {
        var fleet = new FleetBuilder().With("none", models: "z");
        for (var i = 0; i < conditions.Length; i++)
            fleet.With($"i{i}", loaded: loaded ? "a" : "", slots: 8);
        fleet.Build();
        for (var i = 0; i < conditions.Length; i++)
            Arrange(fleet, $"i{i}", conditions[i]);
        return fleet;
    }

    private void Arrange(FleetBuilder fleet, string name, string condition)
    {
        var state = fleet.Placement(name).State;
        var guard = state.MakeGuard()!;
        switch (condition)
        {
            case "start":
                guard.Return(Now, Rules.SlowStart);
                break;
            case "cpu":
                guard.SetOnCpu(true, Now);
                break;
            case "slow":
                for (var i = 0; i < 60; i++)
                    guard.Succeeded(guard.Entry, i < 20 ? 100 : 1, Now, Rules);
                break;
            case "memory":
                guard.SetShortOfMemory(Now, 60 * Rule.Second);
                break;
            case "busy":
                guard.Busy(Rule.Second, Now, Rules, 0);
                break;
            case "open" or "half" or "probing":
                while (!guard.Failed(guard.Entry, InstanceFailure.Broken, Now, Rules, 0))
                {
                    // Until the circuit opens.
                }

                if (condition != "open")
                    guard.Return(Now, 0);
                if (condition == "probing")
                    Assert.True(state.TryEnter(Now, slowly: true, out _));
                break;
        }
    }

    private SchedulingRequest Request(FleetBuilder fleet, bool needsSlot = true, Instance[]? tried = null) =>
        Deciding.For(fleet, tried: tried, needsSlot: needsSlot, now: Now, waited: TimeSpan.FromMinutes(1));

    private IEnumerable<string> Keep(FleetBuilder fleet) => Deciding.Keep(new GuardFilter(), Request(fleet));

    private SchedulingDecision Decide(in SchedulingRequest request) => Deciding.Scheduler(_clock).Decide(request);

    /// <summary>Decides and takes the slot; null if there is no slot.</summary>
    private string? Grip(FleetBuilder fleet, Instance[]? tried = null)
    {
        var decision = Decide(Request(fleet, tried: tried));
        return decision.Placement is { } placement
            ? InstanceLease.TryTake(placement, () => { }, _clock, decision.GoSlowly)?.Instance.Name
            : null;
    }

    private static void Take(FleetBuilder fleet, string name, int slots)
    {
        for (var i = 0; i < slots; i++)
            Assert.True(fleet[name].TryTakeSlot());
    }
}

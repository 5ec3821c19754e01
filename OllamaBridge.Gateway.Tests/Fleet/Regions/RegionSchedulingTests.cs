using Microsoft.Extensions.Time.Testing;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Fleet.Regions;
using OllamaBridge.Gateway.Scheduling;
using OllamaBridge.Testing.Fleet;
using OllamaBridge.Testing.Scheduling;

namespace OllamaBridge.Gateway.Tests.Fleet.Regions;

/// <summary>Local instances are preferred to peers in other regions.</summary>
public sealed class RegionSchedulingTests
{
    private static readonly RegionOptions Options = new();
    private readonly FakeTimeProvider _clock = new();
    private readonly FleetBuilder _fleet = new();
    private readonly Scheduler _scheduler;

    public RegionSchedulingTests() => _scheduler = Deciding.Scheduler(_clock, regions: Options);

    [Fact]
    public void Decide_LocalSlotFree_LocalAfterAnyWait()
    {
        _fleet.With("i", loaded: "").WithPeer("us", free: 9, loaded: "a").Build();
        Assert.Equal(("i", SpillReason.None), Decide(waited: TimeSpan.FromHours(1)));
    }

    [Fact]
    public void Decide_LocalBusy_PeerOnlyAfterSpillDelay()
    {
        _fleet.With("i", loaded: "a").WithPeer("us").Build();
        Deciding.Take(_fleet, "i");
        Assert.Equal(SchedulingOutcome.Busy, Outcome(Options.SpillAfter - TimeSpan.FromTicks(1)));
        Assert.Equal(("us", SpillReason.Saturated), Decide(Options.SpillAfter));
    }

    [Theory]
    [InlineData(0, 0, 1)]
    [InlineData(4, 1, 1)]
    public void Decide_PeerFull_WaitsLocally(int free, int waiting, int instances)
    {
        _fleet.With("i", loaded: "a").WithPeer("us", free: free, waiting: waiting, instances: instances).Build();
        Deciding.Take(_fleet, "i");
        Assert.Equal(SchedulingOutcome.Busy, Outcome(TimeSpan.FromHours(1)));
    }

    [Fact]
    public void Decide_NoLocalInstanceUsable_PeerImmediately()
    {
        _fleet.With("i").WithPeer("us").Change("i", v => v with { Status = InstanceStatus.Unhealthy }).Build();
        Assert.Equal(("us", SpillReason.Unhealthy), Decide());
    }

    [Fact]
    public void Decide_ModelOnlyAtPeer_Absent()
    {
        _fleet.With("i", "b").WithPeer("us").Build();
        Assert.Equal(("us", SpillReason.Absent), Decide());
    }

    [Fact]
    public void Decide_AllLocalTried_PeerImmediately()
    {
        _fleet.With("i").WithPeer("us").Build();
        var decision = _scheduler.Decide(Deciding.For(_fleet, tried: [_fleet["i"]]));
        Assert.Equal(("us", SpillReason.Failed), (decision.Placement?.Instance.Name, decision.Spill));
    }

    [Fact]
    public void Decide_AllLocalAndPeersTried_AllTried()
    {
        _fleet.With("i").WithPeer("us").Build();
        Assert.Equal(SchedulingOutcome.AllTried, _scheduler.Decide(Deciding.For(_fleet, tried: [_fleet["i"], _fleet["us"]])).Outcome);
    }

    [Fact]
    public void Decide_NoLocalInstanceAndPeerFull_WaitsForPeer()
    {
        _fleet.With("i", "b").WithPeer("us", free: 0).Build();
        Assert.Equal(SchedulingOutcome.Busy, Outcome());
    }

    [Fact]
    public void Decide_NoLocalInstanceNorPeer_NoneUsable()
    {
        _fleet.With("i", "b").WithPeer("us", free: 0, instances: 0).Build();
        Assert.Equal(SchedulingOutcome.NoneUsable, Outcome());
    }

    [Fact]
    public void Decide_SeveralRegions_PicksOneWithRoom()
    {
        _fleet.With("i", "b").WithPeer("us", free: 0, instances: 0).WithPeer("asia", free: 1).WithPeer("africa", free: 1, waiting: 1).Build();
        Assert.Equal(("asia", SpillReason.Absent), Decide());
    }

    [Fact]
    public void Decide_HomeAtPeer_PeerDespiteLocalFreeSlot()
    {
        _fleet.With("i", loaded: "a").WithPeer("us", free: 1).WithPeer("asia", free: 9).Build();
        Assert.Equal(("us", SpillReason.Conversation), Decide(home: "us"));
    }

    [Theory]
    [InlineData("us")] // full
    [InlineData("gone")]
    public void Decide_HomeUnavailable_Local(string home)
    {
        _fleet.With("i", loaded: "a").WithPeer("us", free: 0).Build();
        Assert.Equal(("i", SpillReason.None), Decide(home: home));
    }

    [Fact]
    public void Decide_HomeIsLocal_WaitsLonger()
    {
        _fleet.With("i", loaded: "a").WithPeer("us").Build();
        Deciding.Take(_fleet, "i");
        Assert.Null(Decide(Options.ConversationSpillAfter - TimeSpan.FromTicks(1), stays: true).Name);
        Assert.Equal(("us", SpillReason.Saturated), Decide(Options.ConversationSpillAfter, stays: true));
    }

    [Fact]
    public void Decide_NoSlotNeeded_PeerOnlyWithoutLocalInstance()
    {
        _fleet.With("i", "a").WithPeer("us", "a b", free: 0).Build();
        Assert.Equal("i", _scheduler.Decide(Deciding.For(_fleet, needsSlot: false)).Placement?.Instance.Name);
        Assert.Equal("us", _scheduler.Decide(Deciding.For(_fleet, "b", needsSlot: false)).Placement?.Instance.Name);
    }

    [Fact]
    public void Decide_NoModel_NeverPeer()
    {
        _fleet.With("i").WithPeer("us").Build();
        Assert.DoesNotContain(_fleet.Current.Anything.Placements, p => p.Instance.IsPeer);
    }

    [Fact]
    public void Build_ModelInMemoryAtPeer_NotCountedLocally()
    {
        _fleet.With("i", loaded: "a").WithPeer("us", loaded: "a").Build();
        Assert.True(_fleet.Placement("us").State.IsResident);
        Assert.Equal(1, _fleet.Placement("i").State.Model.Copies);
    }

    [Fact]
    public void TryTake_Peer_WithinItsRoomAndNoEviction()
    {
        _fleet.WithPeer("us", "a b", free: 2, loaded: "a").Build();
        using var one = Deciding.Take(_fleet, "us", "b");
        using var two = Deciding.Take(_fleet, "us", "b");
        Assert.Throws<InvalidOperationException>(() => Deciding.Take(_fleet, "us", "b"));
        Assert.True(_fleet.Placement("us").State.IsResident);
    }

    private SchedulingOutcome Outcome(TimeSpan waited = default) => _scheduler.Decide(Deciding.For(_fleet, waited: waited)).Outcome;

    private (string? Name, SpillReason Spill) Decide(TimeSpan waited = default, string? home = null, bool stays = false)
    {
        var decision = _scheduler.Decide(Deciding.For(_fleet, waited: waited) with { Home = home, Stays = stays });
        return (decision.Placement?.Instance.Name, decision.Spill);
    }
}

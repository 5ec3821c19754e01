using Microsoft.Extensions.Time.Testing;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Fleet.Breaker;
using OllamaBridge.Gateway.Fleet.Regions;
using OllamaBridge.Gateway.Scheduling;
using OllamaBridge.Gateway.Tests.Fleet.Breaker;
using OllamaBridge.Testing.Fleet;

namespace OllamaBridge.Gateway.Tests.Scheduling;

public class InstanceLeaseTests
{
    private static readonly BreakerRules Rules = Rule.Of();
    private readonly FakeTimeProvider _clock = new();
    private readonly FleetBuilder _fleet = new FleetBuilder().With("i", "a b", loaded: "b", slots: 4, capacity: 1);
    private int _released;

    public InstanceLeaseTests() => _fleet.Build();

    private Instance Instance => _fleet["i"];

    private PlacementState State => _fleet.Placement("i").State;

    [Fact]
    public void Dispose_Twice_ReturnsSlotOnce()
    {
        var lease = Take()!;
        using var other = Take();
        Assert.Equal((2, 2), (Instance.SlotsUsed, State.Active));
        lease.Dispose();
        lease.Dispose();
        Assert.Equal((1, 1, 1), (Instance.SlotsUsed, State.Active, _released));
    }

    [Fact]
    public void WithoutSlot_UntilDisposed_OccupiesNothing()
    {
        var lease = InstanceLease.WithoutSlot(_fleet.Placement("i"), _clock);
        Assert.Equal((0, 0, true), (Instance.SlotsUsed, State.Active, lease.WasLoaded));
        lease.Answered = true;
        lease.Dispose();
        Assert.Equal((0, 0, 0L), (Instance.SlotsUsed, State.Active, State.LastAnswered));
    }

    [Fact]
    public void TryTake_CircuitOpen_TakesNoSlot()
    {
        var guard = State.MakeGuard()!;
        while (!guard.Failed(guard.Entry, InstanceFailure.Broken, _clock.GetTimestamp(), Rules, 0))
        {
            // Until the circuit opens.
        }

        Assert.Null(Take());
        Assert.Equal((0, 0, false), (Instance.SlotsUsed, State.Active, State.IsResident));
    }

    [Fact]
    public void TryTake_AllSlotsUsed_Null()
    {
        for (var i = 0; i < 4; i++)
            Assert.NotNull(Take());
        Assert.Null(Take());
        Assert.Equal(4, State.Active);
    }

    [Fact]
    public void TryTake_ModelNotInMemory_MarkedLoadingAndOtherEvicted()
    {
        var lease = Take()!;
        Assert.Equal((false, true, false), (lease.WasLoaded, State.IsLoading, _fleet.Placement("i", "b").State.IsResident));
        lease.Dispose();
        Assert.True(State.IsLoading);
    }

    [Fact]
    public void TryTake_ModelInMemory_MemoryUnchanged()
    {
        using var lease = InstanceLease.TryTake(_fleet.Placement("i", "b"), () => { }, _clock)!;
        Assert.Equal((true, true), (lease.WasLoaded, _fleet.Placement("i", "b").State.IsLoaded));
    }

    [Fact]
    public void Dispose_Answered_ModelLoaded()
    {
        _clock.Advance(TimeSpan.FromSeconds(5));
        var lease = Take()!;
        lease.Answered = true;
        _clock.Advance(TimeSpan.FromSeconds(1));
        lease.Dispose();
        Assert.Equal((true, _clock.GetTimestamp()), (State.IsLoaded, State.LastAnswered));
    }

    [Fact]
    public void TryTake_InstanceInSlowStart_LimitedOnlyIfSlowly()
    {
        State.MakeGuard()!.Return(_clock.GetTimestamp(), Rules.SlowStart);
        Assert.NotNull(Take(slowly: true));
        Assert.Null(Take(slowly: true));
        Assert.NotNull(Take());
    }

    [Fact]
    public void TryTake_Probe_DisposedWithoutResultLetsNextProbe()
    {
        var guard = State.MakeGuard()!;
        while (!guard.Failed(guard.Entry, InstanceFailure.Broken, _clock.GetTimestamp(), Rules, 0))
        {
            // Until the circuit opens.
        }

        guard.Return(_clock.GetTimestamp(), slowStart: 0);
        var probe = Take()!;
        Assert.True(probe.Entry.IsProbe);
        Assert.Null(Take());
        probe.Dispose();
        Assert.True(Take()!.Entry.IsProbe);
    }

    [Fact]
    public void TryTake_Spill_Kept() => Assert.Equal(
        SpillReason.Saturated, InstanceLease.TryTake(_fleet.Placement("i"), () => { }, _clock, spill: SpillReason.Saturated)!.Spill);

    private InstanceLease? Take(bool slowly = false) => InstanceLease.TryTake(_fleet.Placement("i"), () => _released++, _clock, slowly);
}

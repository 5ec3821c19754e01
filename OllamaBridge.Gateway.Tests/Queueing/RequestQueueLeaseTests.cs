using OllamaBridge.Gateway.Queueing;
using OllamaBridge.Gateway.Scheduling;
using OllamaBridge.Testing.Fleet;
using OllamaBridge.Testing.Queueing;

namespace OllamaBridge.Gateway.Tests.Queueing;

public sealed class RequestQueueLeaseTests : IDisposable
{
    private readonly QueueHarness _queue = new(new FleetBuilder().With("i", "a b", loaded: "a"));

    public void Dispose() => _queue.Dispose();

    [Fact]
    public void Acquire_NoSlotNeeded_NeverWaitsForOne()
    {
        using var lease = _queue.Get();
        _ = _queue.Ask();
        using var lookup = QueueHarness.Got(_queue.Ask(needsSlot: false));
        Assert.Equal(1, lookup.Instance.SlotsUsed);
    }

    [Fact]
    public void Acquire_AnyModel_TakesSlotWithoutMemoryChange()
    {
        using var lease = _queue.Get("");
        lease.Answered = true;
        lease.Dispose();
        Assert.True(_queue.Builder.Placement("i").State.IsLoaded);
        Assert.False(_queue.Fleet.Current.Anything.Placements[0].State.IsLoaded);
    }

    [Fact]
    public void Acquire_ColdModelBurst_BothLeasesMarkedLoading()
    {
        using var cold = new QueueHarness(new FleetBuilder().With("i", slots: 2));
        using InstanceLease first = cold.Get(), second = cold.Get();
        Assert.Equal((false, false), (first.WasLoaded, second.WasLoaded));
        first.Answered = true;
        first.Dispose();
        using var third = cold.Get();
        Assert.True(third.WasLoaded);
    }

    [Fact]
    public void Describe_SeveralModels_OldestRequestPerModel()
    {
        using var lease = _queue.Get();
        _ = _queue.Ask("a");
        _queue.Clock.Advance(TimeSpan.FromMilliseconds(50));
        _ = _queue.Ask("b");
        _ = _queue.Ask("a");
        _queue.Clock.Advance(TimeSpan.FromMilliseconds(30));
        Assert.Equal(
            [new QueueEntry("a:latest", 2, TimeSpan.FromMilliseconds(80)), new QueueEntry("b:latest", 1, TimeSpan.FromMilliseconds(30))],
            _queue.Queue.Describe().Select(d => d.Entry));
    }
}

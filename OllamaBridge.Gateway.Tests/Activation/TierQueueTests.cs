using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Queueing;
using OllamaBridge.Gateway.Scheduling;
using OllamaBridge.Testing.Fleet;
using OllamaBridge.Testing.Queueing;

namespace OllamaBridge.Gateway.Tests.Activation;

/// <summary>Requests that wait for the start of a cold instance.</summary>
public sealed class TierQueueTests : IDisposable
{
    private static readonly ColdTier Tier = new("cold", ["big"], "cold-", TimeSpan.FromSeconds(60));
    private readonly QueueHarness _queue = new(
        new FleetBuilder(new ColdTiers([Tier])).With("hot"),
        new QueueOptions { MaxWait = TimeSpan.FromSeconds(20), MaxWaitWithoutInstance = TimeSpan.FromSeconds(5) });
    private int _starved;

    public TierQueueTests() => _queue.Queue.Starved += tier =>
    {
        Assert.Same(Tier, tier);
        _starved++;
    };

    public void Dispose() => _queue.Dispose();

    [Fact]
    public async Task Acquire_AsleepThenStarted_WaitsBeyondMaxWaitAndIsServed()
    {
        var asked = _queue.Ask("big");
        Assert.Equal((1, new TierDemand(1, 1)), (_starved, _queue.Queue.DemandOn(Tier)));
        Pass(50);
        Assert.Equal(1, _queue.Queue.Count);
        _queue.Fleet.Publish(_queue.Builder.With("cold-0", "big").Build());
        (await LeaseAsync(asked)).Dispose();
        Assert.Equal(default, _queue.Queue.DemandOn(Tier));
    }

    [Fact]
    public void Acquire_RunningModels_NoStarvationReported()
    {
        _queue.Fleet.Publish(_queue.Builder.With("cold-0", "big").Build());
        using var one = _queue.Get("big");
        using var other = _queue.Get();
        var asked = _queue.Ask("big");
        Assert.Equal((0, new TierDemand(1, 0)), (_starved, _queue.Queue.DemandOn(Tier)));
        Assert.Equal(1, _queue.Queue.Count);
    }

    [Fact]
    public async Task Acquire_NeverStarted_EndsAfterStartTimeout()
    {
        var asked = _queue.Ask("big");
        Pass(59);
        Assert.Equal(1, _queue.Queue.Count);
        Pass(2);
        Assert.Equal(LeaseRefusal.NotStarted, (await asked).Refusal);
    }

    [Fact]
    public async Task Acquire_StartedButBusy_MaxWaitCountsFromStart()
    {
        var first = _queue.Ask("big");
        var second = _queue.Ask("big");
        Pass(50);
        _queue.Fleet.Publish(_queue.Builder.With("cold-0", "big").Build());
        using var lease = await LeaseAsync(first);
        Pass(19);
        Assert.Equal(1, _queue.Queue.Count);
        Pass(2);
        Assert.Equal(LeaseRefusal.WaitedTooLong, (await second).Refusal);
    }

    [Fact]
    public async Task Acquire_InstanceComesAndLeaves_TotalWaitBounded()
    {
        var first = _queue.Ask("big");
        var asked = _queue.Ask("big");
        Pass(40);
        _queue.Fleet.Publish(_queue.Builder.With("cold-0", "big").Build());
        using var lease = await LeaseAsync(first);
        Pass(1);
        _queue.Fleet.Publish(_queue.Builder.Remove("cold-0").Build());
        Pass(18);
        Assert.Equal(1, _queue.Queue.Count);
        Pass(4);
        Assert.Equal(LeaseRefusal.NotStarted, (await asked).Refusal);
    }

    [Fact]
    public async Task RefuseStarving_RequestsOfTier_RefusedAndNoOthers()
    {
        using var busy = _queue.Get();
        var other = _queue.Ask();
        Task<LeaseResult>[] asked = [_queue.Ask("big"), _queue.Ask("big", needsSlot: false)];
        _queue.Queue.RefuseStarving(Tier, TimeSpan.FromSeconds(9));
        foreach (var one in asked)
            Assert.Equal((LeaseRefusal.StartRefused, TimeSpan.FromSeconds(9)), ((await one).Refusal, (await one).RetryAfter));
        Assert.Equal(1, _queue.Queue.Count);
        Assert.False(other.IsCompleted);
    }

    [Theory]
    [InlineData("big", true)]
    [InlineData("a", false)]
    public void TryHedge_RequestWaits_OnlyOnSlotItCannotUse(string waitsFor, bool expected)
    {
        _queue.Fleet.Publish(_queue.Builder.With("first", loaded: "a").With("second", "a b", loaded: "a").Build());
        using var hot = _queue.Get();
        using var first = _queue.Get();
        using var second = _queue.Get();
        _ = _queue.Ask(waitsFor);
        InstanceLease[] leases = [hot, first, second];
        _queue.Fleet.Publish(_queue.Builder.With("third", "b", loaded: "b").With("fourth", "b", loaded: "b").Build());

        using var hedge = _queue.Queue.TryHedge(QueueHarness.Request("b:latest") with { Instances = new InstanceRules { Tried = [leases[0].Instance] } });

        Assert.Equal(expected, hedge is not null);
    }

    [Fact]
    public async Task Acquire_DeadlineBeforeStart_EndsAtDeadline()
    {
        var deadline = _queue.Clock.GetTimestamp() + (3 * _queue.Clock.TimestampFrequency);
        var asked = _queue.Queue.AcquireAsync(QueueHarness.Request("big:latest") with { Wait = new WaitRules { Deadline = deadline } }, TestContext.Current.CancellationToken).AsTask();
        Pass(4);
        Assert.Equal(LeaseRefusal.DeadlinePassed, (await asked).Refusal);
    }

    private static async Task<InstanceLease> LeaseAsync(Task<LeaseResult> asked) =>
        Assert.IsType<InstanceLease>((await asked.WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken)).Lease);

    /// <summary>Lets time pass in the steps of the queue's checks.</summary>
    private void Pass(int seconds)
    {
        for (var i = 0; i < 10 * seconds; i++)
            _queue.Clock.Advance(TimeSpan.FromMilliseconds(100));
    }
}

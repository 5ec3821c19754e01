using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Queueing;
using OllamaBridge.Gateway.Scheduling;
using OllamaBridge.Gateway.Tenants;
using OllamaBridge.Testing.Fleet;
using OllamaBridge.Testing.Queueing;
using OllamaBridge.Testing.Scheduling;

namespace OllamaBridge.Gateway.Tests.Queueing;

public sealed class QueueDispatcherTests
{
    private readonly FakeTimeProvider _clock = new(FleetBuilder.Day);
    private readonly FakeFleet _fleet = new();
    private readonly FleetBuilder _builder = new FleetBuilder().With("i", "a").With("j", "b");
    private readonly ModelQueues _queues = new();
    private readonly QueueDispatcher _dispatcher;
    private long _order;

    public QueueDispatcherTests()
    {
        _fleet.Publish(_builder.Build());
        var options = Options.Create(new QueueOptions
        {
            MaxWait = TimeSpan.FromSeconds(20),
            MaxWaitWithoutInstance = TimeSpan.FromSeconds(5),
            BatchPatience = TimeSpan.FromSeconds(10),
        });
        _dispatcher = new QueueDispatcher(
            _queues,
            new LeaseAllocator(Deciding.Scheduler(_clock), new ConversationAffinity(), _clock),
            new RefusalFactory(_queues, new WaitEstimator(_fleet)),
            new ChargeFactory(options),
            options,
            _clock);
    }

    [Fact]
    public void Dispatch_OneSlotFree_FirstRequestServedAndCharged()
    {
        var (first, second) = (Add(), Add());
        Dispatch();
        var result = Ended(first);
        Assert.Same(_builder["i"], result.Lease!.Instance);
        Assert.True(result.Charge.IsMade);
        Assert.Equal("a:latest", result.Queue.Model);
        Assert.False(second.Result.IsCompleted);
        Assert.Equal(1, _queues.Count);
        Assert.Equal(SchedulingOutcome.Busy, second.Queue.Blocked);
    }

    [Fact]
    public void Dispatch_OneModelBlocked_OtherServed()
    {
        using var lease = Deciding.Take(_builder, "i", time: _clock);
        var (blocked, free) = (Add(), Add("b"));
        Dispatch();
        Assert.False(blocked.Result.IsCompleted);
        Assert.Same(_builder["j"], Ended(free).Lease!.Instance);
    }

    [Fact]
    public void Dispatch_Retry_BeforeEarlierRequests()
    {
        var (earlier, retry) = (Add(), Add(tried: []));
        Dispatch();
        Assert.NotNull(Ended(retry).Lease);
        Assert.False(earlier.Result.IsCompleted);
    }

    [Fact]
    public void Dispatch_RetryTriedAllInstances_AllTried() => Assert.Equal(LeaseRefusal.AllTried, Dispatched(Add(tried: [_builder["i"]])).Refusal);

    [Fact]
    public void Dispatch_InteractiveAndBatch_InteractiveFirst()
    {
        var (batch, interactive) = (Add(priority: Priority.Batch), Add());
        Dispatch();
        Assert.NotNull(Ended(interactive).Lease);
        Assert.False(batch.Result.IsCompleted);
    }

    [Fact]
    public void Dispatch_ModelGone_Unknown()
    {
        var waiter = Add();
        _fleet.Publish(_builder.Remove("i").Build());
        Assert.Equal(LeaseRefusal.UnknownModel, Dispatched(waiter).Refusal);
        Assert.Equal(0, _queues.Count);
    }

    [Fact]
    public void Dispatch_DeadlinePassed_RefusedAlthoughSlotIsFree()
    {
        var waiter = Add(deadline: TimeSpan.FromSeconds(3));
        _clock.Advance(TimeSpan.FromSeconds(3));
        var result = Dispatched(waiter);
        Assert.Equal((LeaseRefusal.DeadlinePassed, 1), (result.Refusal, result.Position));
        Assert.False(result.Charge.IsMade);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Dispatch_RequestBehindNextOverdue_EndedByTickOnly(bool tick)
    {
        using var lease = Deciding.Take(_builder, "i", time: _clock);
        var (next, behind) = (Add(), Add(deadline: TimeSpan.FromSeconds(1)));
        _clock.Advance(TimeSpan.FromSeconds(2));
        Dispatch(tick);
        Assert.False(next.Result.IsCompleted);
        Assert.Equal(tick, behind.Result.IsCompleted);
        if (tick)
            Assert.Equal((LeaseRefusal.DeadlinePassed, 2), (Ended(behind).Refusal, Ended(behind).Position));
    }

    [Theory]
    [InlineData(19, false)]
    [InlineData(20, true)]
    public void Dispatch_NoSlot_WaitsUntilMaxWait(double seconds, bool expected)
    {
        using var lease = Deciding.Take(_builder, "i", time: _clock);
        var waiter = Add();
        _clock.Advance(TimeSpan.FromSeconds(seconds));
        Dispatch();
        Assert.Equal(expected, waiter.Result.IsCompleted);
        if (expected)
            Assert.Equal(LeaseRefusal.WaitedTooLong, Ended(waiter).Refusal);
    }

    [Fact]
    public void Dispatch_NoHealthyInstance_RefusedAfterItsOwnLimit()
    {
        var waiter = Add();
        _fleet.Publish(_builder.Change("i", v => v with { Status = InstanceStatus.Unhealthy }).Build());
        Dispatch();
        Assert.False(waiter.Result.IsCompleted);
        _clock.Advance(TimeSpan.FromSeconds(5));
        Assert.Equal(LeaseRefusal.NoneHealthy, Dispatched(waiter).Refusal);
    }

    [Theory]
    [InlineData(9, Priority.Batch)]
    [InlineData(10, Priority.Interactive)]
    public void Dispatch_BatchRequestWaitsLong_BecomesInteractiveAtTick(double seconds, object expected)
    {
        using var lease = Deciding.Take(_builder, "i", time: _clock);
        var waiter = Add(priority: Priority.Batch);
        _clock.Advance(TimeSpan.FromSeconds(seconds));
        Dispatch(tick: false);
        Assert.Equal(Priority.Batch, waiter.Class);
        Dispatch(tick: true);
        Assert.Equal((Priority)expected, waiter.Class);
    }

    [Fact]
    public void EndAll_Queue_EveryRequestGetsResult()
    {
        Waiter[] waiters = [Add(), Add(priority: Priority.Batch), Add(tried: [])];
        var other = Add("b");
        _dispatcher.EndAll(waiters[0].Queue, new LeaseResult(null, LeaseRefusal.Stopped, TimeSpan.FromSeconds(1)));
        Assert.All(waiters, w => Assert.Equal(LeaseRefusal.Stopped, Ended(w).Refusal));
        Assert.False(other.Result.IsCompleted);
        Assert.Equal(1, _queues.Count);
    }

    [Fact]
    public void Remove_NotServed_NoChargeAndTenantWaitsNoMore()
    {
        var waiter = Add();
        var counter = waiter.Line!.Tokens;
        Assert.False(_dispatcher.Remove(waiter, served: false).IsMade);
        Assert.Equal((0, 0, 0), (counter.Waiting, counter.Running, counter.Value));
        Assert.Null(waiter.Node);
        Assert.Equal(0, _fleet.Current.Models["a:latest"].State.Waiting);
    }

    private static LeaseResult Ended(Waiter waiter)
    {
        Assert.True(waiter.Result.IsCompletedSuccessfully);
        return waiter.Result.Result;
    }

    private LeaseResult Dispatched(Waiter waiter)
    {
        Dispatch();
        return Ended(waiter);
    }

    private void Dispatch(bool tick = false) => _dispatcher.Dispatch(_fleet.Current, tick);

    private Waiter Add(string model = "a", Instance[]? tried = null, Priority priority = Priority.Interactive, TimeSpan? deadline = null)
    {
        var key = FleetBuilder.Key(model);
        var request = QueueHarness.Request(key) with
        {
            Owner = new LeaseOwner { Tenant = new Tenant { Id = "team" }, Priority = priority, InputTokens = 10 },
            Instances = new InstanceRules { Tried = tried },
            Wait = new WaitRules { Deadline = deadline is { } d ? _clock.GetTimestamp() + (long)(d.TotalSeconds * _clock.TimestampFrequency) : 0 },
        };
        var view = request.Find(_fleet.Current, out _)!;
        var waiter = new Waiter(request, _queues.Get(request.QueueOf(view)), view.State, _clock.GetTimestamp(), ++_order);
        _queues.Add(waiter);
        return waiter;
    }
}

using OllamaBridge.Gateway.Queueing;
using OllamaBridge.Gateway.Scheduling;
using OllamaBridge.Gateway.Tenants;
using OllamaBridge.Testing;
using OllamaBridge.Testing.Fleet;
using OllamaBridge.Testing.Queueing;

namespace OllamaBridge.Gateway.Tests.Queueing;

public sealed class RequestQueueFairnessTests : IDisposable
{
    private static readonly TimeSpan Guard = TestTimeouts.Guard;
    private readonly List<(string Name, Task<LeaseResult> Asked)> _open = [];
    private QueueHarness _queue = new(new FleetBuilder().With("i", "a b", loaded: "a"));

    public void Dispose() => _queue.Dispose();

    [Fact]
    public async Task Acquire_HeavyTenantWaits_LightTenantNextAfterRunningRequest()
    {
        var running = _queue.Get();
        for (var n = 0; n < 20; n++)
            _ = Ask($"heavy{n}", "heavy", tokens: 100);
        var light = Ask("light", "light", tokens: 100);
        // One of the heavy tenant's requests came first and neither tenant had service: that request, then the light tenant's.
        Assert.Equal(["heavy0", "light", "heavy1", "heavy2"], await ServeAsync(running, 4));
        Assert.True(light.IsCompleted);
    }

    [Fact]
    public async Task Acquire_OccasionalLightTenant_WaitsAtMostOneRequestPlusShare()
    {
        var running = _queue.Get();
        var heavy = 0;
        for (var round = 0; round < 10; round++)
        {
            while (_open.Count < 20)
                _ = Ask($"heavy{heavy++}", "heavy", tokens: 100);
            _ = Ask("light", "light", tokens: 100);
            var served = await ServeAsync(running, 2, r => running = r);
            Assert.Contains("light", served);
            await ServeAsync(running, 3, r => running = r);
        }
    }

    [Fact]
    public async Task Acquire_WeightsThreeToOne_ServedThreeToOne()
    {
        var running = _queue.Get();
        for (var n = 0; n < 40; n++)
        {
            _ = Ask("big", "big", tokens: 100, weight: 3);
            _ = Ask("small", "small", tokens: 100);
        }

        var served = await ServeAsync(running, 40);
        Assert.InRange(served.Count(s => s == "big"), 29, 31);
    }

    [Fact]
    public async Task Acquire_LongResponses_CountWhenSettled()
    {
        var first = await Hold(Ask("talker", "talker", tokens: 10));
        _ = Ask("talker2", "talker", tokens: 10);
        _ = Ask("listener1", "listener", tokens: 10);
        _ = Ask("listener2", "listener", tokens: 10);
        first.Charge.Settle(answered: true, 10, 1000);
        Assert.Equal(["listener1", "listener2", "talker2"], await ServeAsync(first.Lease!, 3));
    }

    [Fact]
    public async Task Acquire_Interactive_ServedBeforeBatchInOrder()
    {
        var running = _queue.Get();
        _ = Ask("b1", "t", Priority.Batch);
        _ = Ask("b2", "u", Priority.Batch);
        _ = Ask("i1", "t");
        _ = Ask("i2", "t");
        Assert.Equal(["i1", "i2", "b1", "b2"], await ServeAsync(running, 4));
    }

    [Fact]
    public async Task Acquire_BatchOfAnotherModel_NotDelayed()
    {
        var running = _queue.Get();
        _ = Ask("a", "t", Priority.Batch);
        _ = Ask("b", "t", model: "b");
        // First come, first served between models: priority classes hold only within a model.
        Assert.Equal(["a"], await ServeAsync(running, 1));
    }

    [Fact]
    public async Task Acquire_BatchWaitsLong_CountsAsInteractive()
    {
        var running = _queue.Get();
        _ = Ask("batch", "t", Priority.Batch, tokens: 10);
        _queue.Clock.Advance(_queue.Options.BatchPatience);
        for (var n = 0; n < 5; n++)
            _ = Ask($"i{n}", "u", tokens: 10);
        Assert.Equal(["batch", "i0"], await ServeAsync(running, 2));
    }

    [Fact]
    public void Acquire_BatchWithinPatience_StaysBatch()
    {
        using var running = _queue.Get();
        _ = Ask("batch", "t", Priority.Batch);
        _queue.Clock.Advance(_queue.Options.BatchPatience - TimeSpan.FromMilliseconds(1));
        Assert.Equal(new TenantWaiting("t", 0, 1), Assert.Single(_queue.Queue.Describe().Single().Tenants));
        _queue.Clock.Advance(TimeSpan.FromMilliseconds(100));
        Assert.Equal(new TenantWaiting("t", 1, 0), Assert.Single(_queue.Queue.Describe().Single().Tenants));
    }

    [Fact]
    public async Task Acquire_FullAndInteractiveArrives_ShedsYoungestBatchOfLargestTenant()
    {
        Use(new QueueOptions { Length = 4 });
        using var running = _queue.Get();
        _ = Ask("small", "small", Priority.Batch);
        _ = Ask("old", "large", Priority.Batch);
        var young = Ask("young", "large", Priority.Batch);
        _ = Ask("i", "large");
        var newcomer = Ask("new", "other");
        var result = await young.WaitAsync(Guard, Cancelled);
        Assert.Equal(LeaseRefusal.PushedOut, result.Refusal);
        Assert.True(result.RetryAfter > TimeSpan.Zero);
        Assert.Equal(4, result.Position); // behind one interactive request and two batch requests: its own tenant's and the small tenant's
        Assert.Equal(["small", "old", "i", "new"], _open.Where(o => !o.Asked.IsCompleted).Select(o => o.Name));
        Assert.False(newcomer.IsCompleted);
        Assert.Equal((4, 4), (_queue.Queue.Count, _queue.Waiting()));
    }

    [Fact]
    public async Task Acquire_FullOfOneTenant_AnotherGetsItsShare()
    {
        Use(new QueueOptions { Length = 4 });
        using var running = _queue.Get();
        for (var n = 0; n < 4; n++)
            _ = Ask($"h{n}", "heavy");
        _ = Ask("l1", "light");
        _ = Ask("l2", "light");
        Assert.Equal(LeaseRefusal.QueueFull, (await Ask("l3", "light")).Refusal);
        Assert.Equal(LeaseRefusal.QueueFull, (await Ask("h4", "heavy")).Refusal);
        var pushedOut = await Task.WhenAll(_open.Where(o => o.Name is "h2" or "h3").Select(o => o.Asked)).WaitAsync(Guard, Cancelled);
        Assert.All(pushedOut, r => Assert.Equal(LeaseRefusal.PushedOut, r.Refusal));
        Assert.Equal(["h0", "h1", "l1", "l2"], _open.Where(o => !o.Asked.IsCompleted).Select(o => o.Name));
    }

    [Fact]
    public async Task Acquire_FullAndBatchArrives_Refused()
    {
        Use(new QueueOptions { Length = 2 });
        using var running = _queue.Get();
        _ = Ask("i", "t");
        _ = Ask("b", "t", Priority.Batch);
        var refused = await Ask("b2", "t", Priority.Batch);
        Assert.Equal((LeaseRefusal.QueueFull, 3), (refused.Refusal, refused.Position));
    }

    [Fact]
    public async Task Acquire_DeadlinePassesWhileWaiting_RefusedAtNextTick()
    {
        using var running = _queue.Get();
        _ = Ask("patient", "t");
        var hasty = Ask("hasty", "t", deadline: TimeSpan.FromSeconds(3));
        _queue.Clock.Advance(TimeSpan.FromSeconds(2.9));
        Assert.False(hasty.IsCompleted);
        _queue.Clock.Advance(TimeSpan.FromSeconds(0.1));
        var result = await hasty.WaitAsync(Guard, Cancelled);
        Assert.Equal((LeaseRefusal.DeadlinePassed, 2), (result.Refusal, result.Position));
        Assert.Equal(1, _queue.Queue.Count);
    }

    [Fact]
    public async Task Acquire_EstimatedWaitBeyondDeadline_RefusedImmediately()
    {
        _queue.Queue.RecordService(TimeSpan.FromSeconds(10));
        using var running = _queue.Get();
        _ = Ask("patient", "t");
        var refused = await Ask("hasty", "t", deadline: TimeSpan.FromSeconds(19));
        Assert.Equal(LeaseRefusal.DeadlineTooSoon, refused.Refusal);
        Assert.Equal((2, TimeSpan.FromSeconds(20)), (refused.Position, refused.EstimatedWait));
        Assert.False(Ask("ok", "t", deadline: TimeSpan.FromSeconds(20)).IsCompleted);
    }

    [Fact]
    public async Task Acquire_DeadlinePassedOnArrival_RefusedDespiteFreeSlot()
    {
        var need = QueueHarness.Request(FleetBuilder.Key("a")) with { Wait = new WaitRules { Deadline = _queue.Clock.GetTimestamp() } };
        Assert.Equal(LeaseRefusal.DeadlinePassed, (await _queue.Queue.AcquireAsync(need, Cancelled)).Refusal);
    }

    [Fact]
    public async Task Acquire_Retry_ChargedOnceAndNeverShed()
    {
        Use(new QueueOptions { Length = 1 }, new FleetBuilder().With("i", loaded: "a").With("j", loaded: "a"));
        InstanceLease first = _queue.Get(), second = _queue.Get();
        var again = _queue.Queue.AcquireAsync(
            QueueHarness.Request(FleetBuilder.Key("a")) with
            {
                Instances = new InstanceRules { Tried = [first.Instance] },
                Owner = new LeaseOwner { Tenant = Of("t"), Priority = Priority.Batch, InputTokens = 50, IsCharged = true },
            },
            Cancelled).AsTask();
        Assert.Equal(LeaseRefusal.QueueFull, (await Ask("new", "u")).Refusal);
        second.Dispose();
        var result = await again.WaitAsync(Guard, Cancelled);
        Assert.NotNull(result.Lease);
        Assert.False(result.Charge.IsMade);
    }

    [Fact]
    public async Task Acquire_SeveralModelsWait_OldestServedFirst()
    {
        Use(null, new FleetBuilder().With("i", "a b", loaded: "a b", capacity: 2));
        var running = _queue.Get();
        _ = Ask("a1", "anonymous");
        _ = Ask("b1", "anonymous", model: "b");
        _ = Ask("a2", "anonymous");
        _ = Ask("b2", "anonymous", model: "b");
        Assert.Equal(["a1", "b1", "a2", "b2"], await ServeAsync(running, 4));
    }

    [Fact]
    public void Acquire_Immediate_ChargingAllocatesNothing()
    {
        var tenant = Of("t");
        long Allocated(bool charged)
        {
            var need = QueueHarness.Request(FleetBuilder.Key("a")) with
            {
                Owner = new LeaseOwner { Tenant = tenant, InputTokens = 50, IsCharged = charged },
            };
            for (var warm = 0; warm < 100; warm++)
                Once(need);
            var before = GC.GetAllocatedBytesForCurrentThread();
            for (var n = 0; n < 1000; n++)
                Once(need);
            return GC.GetAllocatedBytesForCurrentThread() - before;
        }

        Assert.Equal(Allocated(charged: true), Allocated(charged: false));
    }

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    private static Tenant Of(string id, double weight = 1) => new() { Id = id, Weight = weight };

    private void Once(in LeaseRequest need)
    {
        var result = _queue.Queue.AcquireAsync(need, CancellationToken.None).Result;
        result.Charge.Settle(answered: true, 40, 10);
        result.Lease!.Dispose();
    }

    private Task<LeaseResult> Ask(
        string name, string tenant, Priority priority = Priority.Interactive, long tokens = 0, double weight = 1, string model = "a", TimeSpan? deadline = null)
    {
        var asked = _queue.Queue.AcquireAsync(
            QueueHarness.Request(FleetBuilder.Key(model)) with
            {
                Owner = new LeaseOwner { Tenant = Of(tenant, weight), Priority = priority, InputTokens = tokens },
                Wait = new WaitRules { Deadline = deadline is { } time ? _queue.Clock.GetTimestamp() + time.Ticks : 0 },
            },
            CancellationToken.None).AsTask();
        _open.Add((name, asked));
        return asked;
    }

    private async Task<LeaseResult> Hold(Task<LeaseResult> asked)
    {
        _open.RemoveAll(o => o.Asked == asked);
        return await asked.WaitAsync(Guard, Cancelled);
    }

    /// <summary>Passes one slot from request to request. Each response counts only its prompt's tokens.</summary>
    private async Task<List<string>> ServeAsync(InstanceLease running, int count, Action<InstanceLease>? last = null)
    {
        var served = new List<string>();
        for (var n = 0; n < count; n++)
        {
            running.Dispose();
            await Task.WhenAny(_open.Select(o => o.Asked)).WaitAsync(Guard, Cancelled);
            var next = Assert.Single(_open, o => o.Asked.IsCompleted);
            var result = await Hold(next.Asked);
            Assert.Equal(LeaseRefusal.None, result.Refusal);
            result.Charge.Settle(answered: true, 0, 0);
            running = result.Lease!;
            served.Add(next.Name);
        }

        last?.Invoke(running);
        return served;
    }

    private void Use(QueueOptions? options, FleetBuilder? fleet = null)
    {
        _queue.Dispose();
        _queue = new QueueHarness(fleet ?? new FleetBuilder().With("i", "a b", loaded: "a"), options);
    }
}

using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Queueing;
using OllamaBridge.Gateway.Scheduling;
using OllamaBridge.Testing;
using OllamaBridge.Testing.Fleet;
using OllamaBridge.Testing.Queueing;

namespace OllamaBridge.Gateway.Tests.Queueing;

public sealed class RequestQueueTests : IDisposable
{
    private static readonly TimeSpan Guard = TestTimeouts.Guard;
    private QueueHarness _queue = new(new FleetBuilder().With("i", "a b", loaded: "a"));

    public void Dispose() => _queue.Dispose();

    [Fact]
    public void Acquire_SlotFree_Immediate()
    {
        using var lease = _queue.Get();
        Assert.Equal("i", lease.Instance.Name);
        Assert.Equal(1, lease.Instance.SlotsUsed);
        Assert.True(lease.WasLoaded);
        Assert.Equal(0, _queue.Queue.Count);
    }

    [Fact]
    public async Task Acquire_Full_WaitsUntilSlotReturned()
    {
        var first = _queue.Get();
        var second = _queue.Ask();
        Assert.False(second.IsCompleted);
        Assert.Equal((1, 1), (_queue.Queue.Count, _queue.Waiting()));
        first.Dispose();
        using var lease = (await second.WaitAsync(Guard, Cancelled)).Lease;
        Assert.Equal(1, lease!.Instance.SlotsUsed);
        Assert.Equal((0, 0), (_queue.Queue.Count, _queue.Waiting()));
    }

    [Fact]
    public async Task Acquire_SlotReturned_WakesExactlyOneInOrder()
    {
        var lease = _queue.Get();
        var waiting = Enumerable.Range(0, 5).Select(_ => _queue.Ask()).ToList();
        while (waiting.Count > 0)
        {
            lease.Dispose();
            lease = (await waiting[0].WaitAsync(Guard, Cancelled)).Lease!;
            waiting.RemoveAt(0);
            Assert.DoesNotContain(waiting, w => w.IsCompleted);
            Assert.Equal(waiting.Count, _queue.Queue.Count);
        }
    }

    [Fact]
    public async Task Close_WaitingAndNewRequests_Refused()
    {
        var lease = _queue.Get();
        Task<LeaseResult>[] waiting = [_queue.Ask(), _queue.Ask(), _queue.Ask("b"), _queue.Ask(tried: [])];
        _queue.Queue.Close();
        Assert.All(await Task.WhenAll(waiting).WaitAsync(Guard, Cancelled), r => Assert.Equal(LeaseRefusal.Stopped, r.Refusal));
        Assert.Equal(0, _queue.Queue.Count);
        Assert.Equal(LeaseRefusal.Stopped, (await _queue.Ask().WaitAsync(Guard, Cancelled)).Refusal);
        lease.Dispose();
    }

    [Fact]
    public void Acquire_DisposedTwice_OneSlotReturned()
    {
        var lease = _queue.Get();
        lease.Dispose();
        lease.Dispose();
        Assert.Equal(0, lease.Instance.SlotsUsed);
    }

    [Fact]
    public async Task Acquire_OlderRequestWaits_NotOvertaken()
    {
        Use(new FleetBuilder().With("i", loaded: "a").With("j", loaded: "a"));
        InstanceLease first = _queue.Get(), second = _queue.Get();
        var waiting = _queue.Ask();
        // A slot is returned without the queue's knowledge. The new request must not take it.
        first.Instance.ReturnSlot();
        var late = _queue.Ask();
        await HeldBy(waiting); // the new request's dispatch served the older one
        Assert.False(late.IsCompleted);
        second.Dispose();
        await HeldBy(late);
    }

    [Fact]
    public async Task Acquire_OtherModel_NotBlocked()
    {
        Use(new FleetBuilder().With("i", "a", loaded: "a").With("j", "b", loaded: "b"));
        _queue.Get("a");
        InstanceLease b = _queue.Get("b");
        Task<LeaseResult> a2 = _queue.Ask("a"), b2 = _queue.Ask("b");
        b.Dispose();
        Assert.Equal("j", (await b2.WaitAsync(Guard, Cancelled)).Lease!.Instance.Name);
        Assert.False(a2.IsCompleted);
    }

    [Fact]
    public async Task Acquire_QueueFull_RefusedImmediately()
    {
        Use(new FleetBuilder().With("i"), new QueueOptions { Length = 2 });
        var lease = _queue.Get();
        Task<LeaseResult> one = _queue.Ask(), two = _queue.Ask();
        var three = await _queue.Ask();
        Assert.Equal(LeaseRefusal.QueueFull, three.Refusal);
        Assert.InRange(three.RetryAfter, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(60));
        Assert.Equal(2, _queue.Queue.Count);
        lease.Dispose();
        await HeldBy(one);
        Assert.False(two.IsCompleted);
    }

    [Fact]
    public async Task Acquire_LengthZero_NoRequestWaits()
    {
        Use(new FleetBuilder().With("i"), new QueueOptions { Length = 0 });
        using var lease = _queue.Get();
        Assert.Equal(LeaseRefusal.QueueFull, (await _queue.Ask()).Refusal);
    }

    [Fact]
    public async Task Acquire_LongWait_RefusedWithRetryAfter()
    {
        _queue.Queue.RecordService(TimeSpan.FromSeconds(7));
        using var lease = _queue.Get();
        var waiting = _queue.Ask();
        _queue.Clock.Advance(_queue.Options.MaxWait - TimeSpan.FromMilliseconds(100));
        Assert.False(waiting.IsCompleted);
        _queue.Clock.Advance(TimeSpan.FromMilliseconds(100));
        var result = await waiting.WaitAsync(Guard, Cancelled);
        Assert.Equal(LeaseRefusal.WaitedTooLong, result.Refusal);
        Assert.Equal(TimeSpan.FromSeconds(14), result.RetryAfter); // two in line, 7 s each, one slot
        Assert.Equal((0, 0), (_queue.Queue.Count, _queue.Waiting()));
    }

    [Fact]
    public async Task Acquire_ManyWaitTooLong_AllRefusedInSameTick()
    {
        using var lease = _queue.Get();
        var waiting = Enumerable.Range(0, 10).Select(_ => _queue.Ask()).ToArray();
        _queue.Clock.Advance(_queue.Options.MaxWait);
        var results = await Task.WhenAll(waiting).WaitAsync(Guard, Cancelled);
        Assert.All(results, r => Assert.Equal(LeaseRefusal.WaitedTooLong, r.Refusal));
    }

    [Fact]
    public async Task Acquire_NoneHealthy_AllRefusedAfterSameShortWait()
    {
        _queue.Change("i", v => v with { Status = InstanceStatus.Unhealthy });
        var waiting = Enumerable.Range(0, 10).Select(_ => _queue.Ask()).ToArray();
        for (var ticks = 0; ticks < 49; ticks++)
            _queue.Clock.Advance(TimeSpan.FromMilliseconds(100));
        Assert.Equal(10, _queue.Queue.Count);
        for (var ticks = 0; ticks < 3; ticks++)
            _queue.Clock.Advance(TimeSpan.FromMilliseconds(100));
        var results = await Task.WhenAll(waiting).WaitAsync(Guard, Cancelled);
        Assert.All(results, r => Assert.Equal(LeaseRefusal.NoneHealthy, r.Refusal));
    }

    [Fact]
    public async Task Acquire_HealthyAgainInTime_Served()
    {
        _queue.Change("i", v => v with { Status = InstanceStatus.Unhealthy });
        var waiting = _queue.Ask();
        _queue.Clock.Advance(TimeSpan.FromSeconds(4));
        _queue.Change("i", v => v with { Status = InstanceStatus.Healthy });
        Assert.NotNull((await waiting.WaitAsync(Guard, Cancelled)).Lease);
    }

    [Fact]
    public async Task Acquire_ShortOutagesWhileBusy_DoNotAddUp()
    {
        using var lease = _queue.Get();
        var waiting = _queue.Ask();
        for (var n = 0; n < 5; n++)
        {
            _queue.Change("i", v => v with { Status = InstanceStatus.Unhealthy });
            _queue.Clock.Advance(TimeSpan.FromSeconds(3));
            _queue.Change("i", v => v with { Status = InstanceStatus.Healthy });
            _queue.Clock.Advance(TimeSpan.FromSeconds(1));
        }

        Assert.False(waiting.IsCompleted);
        lease.Dispose();
        Assert.NotNull((await waiting.WaitAsync(Guard, Cancelled)).Lease);
    }

    [Fact]
    public async Task Acquire_ClientDisconnects_LeavesQueue()
    {
        using var lease = _queue.Get();
        using var gone = new CancellationTokenSource();
        Task<LeaseResult> first = _queue.AskUntil(gone.Token), second = _queue.Ask();
        await gone.CancelAsync();
        Assert.Equal((1, 1), (_queue.Queue.Count, _queue.Waiting()));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first);
        lease.Dispose();
        await HeldBy(second);
    }

    [Fact]
    public async Task Acquire_ClientAlreadyDisconnected_Throws()
    {
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => _queue.AskUntil(new CancellationToken(true)));
        Assert.Equal(0, _queue.Queue.Count);
        Assert.Equal(0, _queue.Builder["i"].SlotsUsed);
    }

    [Fact]
    public async Task Acquire_FailedElsewhere_FirstInLineOnOtherInstance()
    {
        Use(new FleetBuilder().With("i", loaded: "a").With("j", loaded: "a"));
        InstanceLease onI = GetOn("i"), onJ = GetOn("j");
        var waiting = _queue.Ask();
        var again = _queue.Ask(tried: [_queue.Builder["i"]]);
        onJ.Dispose();
        Assert.Equal("j", (await again.WaitAsync(Guard, Cancelled)).Lease!.Instance.Name);
        Assert.False(waiting.IsCompleted);
        onI.Dispose();
        Assert.Equal("i", (await waiting.WaitAsync(Guard, Cancelled)).Lease!.Instance.Name);
    }

    [Fact]
    public async Task Acquire_RetryCannotUseFreeSlot_NextInLineTakesIt()
    {
        Use(new FleetBuilder().With("i", loaded: "a").With("j", loaded: "a"));
        InstanceLease onI = GetOn("i"), onJ = GetOn("j");
        var waiting = _queue.Ask();
        var again = _queue.Ask(tried: [_queue.Builder["i"]]);
        onI.Dispose();
        Assert.Equal("i", (await waiting.WaitAsync(Guard, Cancelled)).Lease!.Instance.Name);
        Assert.False(again.IsCompleted);
        onJ.Dispose();
        await HeldBy(again);
    }

    [Fact]
    public async Task Acquire_SeveralRetries_InOrderOfArrival()
    {
        Use(new FleetBuilder().With("i", loaded: "a").With("j", loaded: "a"));
        Instance j = _queue.Builder["j"];
        var onI = GetOn("i");
        using var onJ = GetOn("j");
        Task<LeaseResult> newcomer = _queue.Ask(), first = _queue.Ask(tried: [j]), second = _queue.Ask(tried: [j]);
        onI.Dispose();
        using var lease = (await first.WaitAsync(Guard, Cancelled)).Lease;
        Assert.False(second.IsCompleted);
        lease!.Dispose();
        await HeldBy(second);
        Assert.False(newcomer.IsCompleted);
    }

    [Fact]
    public async Task Acquire_AllTried_RefusedImmediatelyAndWhileWaiting()
    {
        Use(new FleetBuilder().With("i", loaded: "a").With("j", loaded: "a"));
        Instance i = _queue.Builder["i"], j = _queue.Builder["j"];
        Assert.Equal(LeaseRefusal.AllTried, (await _queue.Ask(tried: [i, j])).Refusal);
        using InstanceLease onI = GetOn("i"), onJ = GetOn("j");
        var again = _queue.Ask(tried: [i]);
        _queue.Change("j", v => v with { Status = InstanceStatus.Unhealthy });
        Assert.Equal(LeaseRefusal.AllTried, (await again.WaitAsync(Guard, Cancelled)).Refusal);
    }

    [Fact]
    public async Task Acquire_ModelRemovedWhileWaiting_Unknown()
    {
        using var lease = _queue.Get();
        var waiting = _queue.Ask();
        _queue.Change("i", v => v with { Catalog = FleetBuilder.Catalog("b") });
        Assert.Equal(LeaseRefusal.UnknownModel, (await waiting.WaitAsync(Guard, Cancelled)).Refusal);
    }

    [Fact]
    public async Task Acquire_UnknownModelOrNoInstance_RefusedImmediately()
    {
        Assert.Equal(LeaseRefusal.UnknownModel, (await _queue.Ask("nope")).Refusal);
        _queue.Change("i", v => v with { Catalog = [], CatalogKnown = false });
        Assert.Equal(LeaseRefusal.NoneHealthy, (await _queue.Ask("nope")).Refusal);
        _queue.Fleet.Publish(FleetSnapshot.Empty);
        Assert.Equal(LeaseRefusal.NoInstances, (await _queue.Ask()).Refusal);
    }

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    private static async Task HeldBy(Task<LeaseResult> asked) =>
        Assert.Equal(LeaseRefusal.None, (await asked.WaitAsync(Guard, Cancelled)).Refusal);

    private InstanceLease GetOn(string instance) => QueueHarness.Got(
        _queue.Ask(tried: [.. _queue.Fleet.Current.Instances.Select(v => v.Instance).Where(i => i.Name != instance)]));

    private void Use(FleetBuilder fleet, QueueOptions? options = null)
    {
        _queue.Dispose();
        _queue = new QueueHarness(fleet, options);
    }
}

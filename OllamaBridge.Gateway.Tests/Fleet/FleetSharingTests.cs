using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;
using OllamaBridge.Gateway.Discovery;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Scheduling;
using OllamaBridge.Gateway.State;
using OllamaBridge.Testing.Fleet;
using OllamaBridge.Testing.Scheduling;

namespace OllamaBridge.Gateway.Tests.Fleet;

/// <summary>Several gateways that share instances; the test triggers each exchange.</summary>
public sealed class FleetSharingTests : IAsyncLifetime
{
    private static readonly SharingOptions Sharing = new();
    private static readonly HealthOptions Health = new() { RequestFailuresToEject = 1 };
    private readonly FakeTimeProvider _clock = new(new DateTimeOffset(2026, 11, 24, 0, 0, 0, TimeSpan.Zero));
    private readonly FakeServers _servers = new();
    private readonly LosableStore _store;
    private readonly List<TestGateway> _gateways = [];

    public FleetSharingTests() => _store = new LosableStore(new MemoryFleetStore(_clock, isShared: true));

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        foreach (var gateway in _gateways)
            await gateway.DisposeAsync();
        _servers.Dispose();
    }

    [Fact]
    public async Task Exchange_OneGateway_AllSlots()
    {
        var a = await StartAsync(slots: 4);
        await RoundAsync(2);
        Assert.Equal(4, a["i"].Allowance);
    }

    [Fact]
    public async Task Exchange_OneGatewayHasWork_GetsAllSlots()
    {
        var (a, b) = (await StartAsync(slots: 4), await StartAsync(slots: 4));
        await RoundAsync(3);
        Assert.Equal(4, a["i"].Allowance + b["i"].Allowance);
        Assert.Equal(2, Take(a, 9));
        a.Wait(9);
        await RoundAsync(3);
        Assert.Equal((4, 0), (a["i"].Allowance, b["i"].Allowance));
        Assert.Equal(2, Take(a, 9));
        Assert.Equal(0, Take(b, 1));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    [InlineData(7)]
    public async Task Exchange_ThreeGatewaysInAnyOrder_AllSlotsUsedAndNoneTwice(int slots)
    {
        var gateways = new[] { await StartAsync(slots), await StartAsync(slots), await StartAsync(slots) };
        var random = new Random(slots);
        for (var step = 0; step < 600; step++)
        {
            var gateway = gateways[random.Next(3)];
            var busy = random.Next(3) > 0;
            if (busy)
                gateway.SetWaiting(Math.Max(0, gateway.Waiting + random.Next(-2, 3) - Take(gateway, random.Next(3))));
            else if (gateway["i"].SlotsUsed > 0)
                gateway["i"].ReturnSlot();
            Assert.InRange(gateways.Sum(g => g["i"].SlotsUsed), 0, slots);
            await gateway.Sharing.ExchangeAsync(Cancelled);
            _clock.Advance(Sharing.Interval);
        }

        foreach (var gateway in gateways)
            gateway.SetWaiting(20);
        // Slots that one gateway returned reach another after a few exchanges, even if a turn has just ended.
        await RoundAsync(8);
        Assert.Equal(slots, gateways.Sum(g => Math.Max(g["i"].Allowance, g["i"].SlotsUsed)));
    }

    [Fact]
    public async Task Exchange_TwoGatewaysOneSlot_TakeTurns()
    {
        var (a, b) = (await StartAsync(), await StartAsync());
        a.Wait(5);
        b.Wait(5);
        var had = new HashSet<TestGateway>();
        for (var n = 0; n < 4; n++)
        {
            await RoundAsync(3);
            Assert.Equal(1, a["i"].Allowance + b["i"].Allowance);
            had.Add(a["i"].Allowance == 1 ? a : b);
            _clock.Advance(Sharing.Turn);
        }

        Assert.Equal(2, had.Count);
    }

    [Fact]
    public async Task Exchange_GatewaySilent_SlotsReassignedWithinSeconds()
    {
        var (a, b) = (await StartAsync(slots: 4), await StartAsync(slots: 4));
        a.Wait(9);
        await RoundAsync(3);
        Take(a, 4);
        b.Wait(9);
        _clock.Advance(Sharing.Timeout + TimeSpan.FromMilliseconds(1));
        await b.Sharing.ExchangeAsync(Cancelled);
        await b.Sharing.ExchangeAsync(Cancelled);
        Assert.Equal(4, b["i"].Allowance);
    }

    [Fact]
    public async Task Exchange_StoreLost_EvenSharesUntilItReturns()
    {
        var (a, b) = (await StartAsync(slots: 4), await StartAsync(slots: 4));
        a.Wait(9);
        await RoundAsync(3);
        _store.IsLost = true;
        await RoundAsync(1);
        Assert.Equal((4, 0), (a["i"].Allowance, b["i"].Allowance)); // the first exchange changes nothing
        _clock.Advance(Sharing.Timeout);
        await RoundAsync(1);
        Assert.Equal((2, 2), (a["i"].Allowance, b["i"].Allowance));

        _store.Inner = new MemoryFleetStore(_clock, isShared: true); // the store is back and empty
        _store.IsLost = false;
        for (var n = 0; n < 5; n++)
        {
            await a.Sharing.ExchangeAsync(Cancelled);
            Assert.InRange(a["i"].Allowance, 0, 2); // the other gateway may register at any moment
        }

        _clock.Advance(Sharing.Timeout);
        await RoundAsync(3);
        Assert.Equal((4, 0), (a["i"].Allowance, b["i"].Allowance));
    }

    [Fact]
    public async Task Exchange_UseByOthers_CountsAsLoad()
    {
        var (a, b) = (await StartAsync(slots: 4), await StartAsync(slots: 4));
        await RoundAsync(3);
        Assert.Equal(1f, b["i"].FreeShare);
        Take(a, 2);
        await RoundAsync(1);
        Assert.Equal(0.5f, b["i"].FreeShare);
    }

    [Fact]
    public async Task Decide_ConversationsInstanceFullByOthers_SameAlternativeAtEveryGateway()
    {
        var (a, b, c) = (await StartAsync(slots: 4), await StartAsync(slots: 4), await StartAsync(slots: 4));
        await a.Owner.AddAsync(FakeSource.Definition("k", 4), Cancelled);
        await RoundAsync(3);
        var conversations = Enumerable.Range(1, 300).Select(n => (ulong)n * 0x9E3779B97F4A7C15).ToArray();
        var homes = conversations.Select(n => Decide(b, n)).ToArray();
        Assert.Equal(homes, conversations.Select(n => Decide(c, n)));

        a.Wait(9);
        await RoundAsync(3);
        Assert.Equal(4, Take(a, 9));
        a.SetWaiting(0);
        await RoundAsync(3);
        Assert.Equal((4, 0f), (b["i"].UsedElsewhere, b["i"].FreeShare));
        var spilled = conversations.Select(n => Decide(b, n)).ToArray();
        Assert.Equal(spilled, conversations.Select(n => Decide(c, n)));
        Assert.All(homes.Zip(spilled), p => Assert.True(p.Second != "i" && (p.First == "i" || p.First == p.Second)));
        Assert.Equal(["j", "k"], homes.Zip(spilled).Where(p => p.First == "i").Select(p => p.Second).Distinct().Order()); // spread over both

        // One slot per gateway: with two free slots the result would depend on the turn.
        for (var n = 0; n < 3; n++)
            a["i"].ReturnSlot();
        await RoundAsync(3);
        Assert.Equal(homes, conversations.Select(n => Decide(b, n))); // the instance has free slots again
    }

    [Fact]
    public async Task Drain_AtOneGateway_AppliesToAllAndSurvivesStoreLoss()
    {
        var (a, b) = (await StartAsync(), await StartAsync());
        await a.Owner.SetDrainingAsync("i", true, Cancelled);
        await RoundAsync(2);
        Assert.True(await b.IsDrainingAsync());
        _store.Inner = new MemoryFleetStore(_clock, isShared: true);
        await RoundAsync(1);
        var late = await StartAsync();
        await RoundAsync(1);
        Assert.True(await late.IsDrainingAsync());
        await late.Owner.SetDrainingAsync("i", false, Cancelled);
        await RoundAsync(2);
        Assert.False(await a.IsDrainingAsync());
        Assert.False(await b.IsDrainingAsync());
    }

    [Fact]
    public async Task DrainUntil_AtOneGateway_DeadlineAtAllUntilUndrain()
    {
        var (a, b) = (await StartAsync(), await StartAsync());
        var deadline = DateTimeOffset.FromUnixTimeMilliseconds(_clock.GetUtcNow().AddMinutes(10).ToUnixTimeMilliseconds());
        await a.Owner.DrainUntilAsync("i", deadline, Cancelled);
        await RoundAsync(2);
        Assert.Equal(deadline, (await b.ViewAsync("i")).DrainDeadline);
        _store.Inner = new MemoryFleetStore(_clock, isShared: true);
        await RoundAsync(1);
        var late = await StartAsync();
        await RoundAsync(1);
        Assert.Equal(deadline, (await late.ViewAsync("i")).DrainDeadline);
        await late.Owner.SetDrainingAsync("i", false, Cancelled);
        await RoundAsync(2);
        Assert.All([await a.ViewAsync("i"), await b.ViewAsync("i")], view => Assert.True(view is { Draining: false, DrainDeadline: null }));
    }

    [Fact]
    public async Task Add_AtOneGateway_AppliesToAllAndSurvivesStoreLoss()
    {
        var (a, b) = (await StartAsync(), await StartAsync());
        Assert.Equal(MemberChange.Added, await a.Owner.AddAsync(FakeSource.Definition("k", 4), Cancelled));
        await RoundAsync(2);
        Assert.Equal(4, b["k"].Slots);
        _store.Inner = new MemoryFleetStore(_clock, isShared: true);
        await RoundAsync(2);
        var late = await StartAsync();
        Assert.Equal(InstanceStatus.Healthy, late.Owner.Current.Instances.Single(v => v.Instance.Name == "k").Status); // before its first request
        Assert.Equal(MemberChange.Removed, await late.Owner.RemoveAsync("K", Cancelled));
        await RoundAsync(2);
        Assert.All(_gateways, g => Assert.Equal(["i", "j"], g.Names));
        _store.Inner = new MemoryFleetStore(_clock, isShared: true);
        await RoundAsync(2);
        Assert.All(_gateways, g => Assert.Equal(["i", "j"], g.Names));
    }

    [Fact]
    public async Task Add_InstanceUsedByAll_SlotsRespected()
    {
        var gateways = new[] { await StartAsync(), await StartAsync(), await StartAsync() };
        await RoundAsync(2);
        await gateways[0].Owner.AddAsync(FakeSource.Definition("k", 4), Cancelled);
        for (var n = 0; n < 12; n++)
        {
            foreach (var gateway in gateways)
            {
                if (gateway.Names.Contains("k"))
                    while (gateway["k"].TryTakeSlot())
                        gateway.SetWaiting(9);
                await gateway.Sharing.ExchangeAsync(Cancelled);
                await gateway.SettleAsync();
            }

            Assert.InRange(gateways.Where(g => g.Names.Contains("k")).Sum(g => g["k"].SlotsUsed), 0, 4);
        }

        Assert.Equal(4, gateways.Sum(g => g["k"].SlotsUsed));
    }

    [Fact]
    public async Task Add_StoreLost_EvenShare()
    {
        var (a, _) = (await StartAsync(), await StartAsync());
        await RoundAsync(2);
        _store.IsLost = true;
        _clock.Advance(Sharing.Timeout);
        await RoundAsync(1);
        await a.Owner.AddAsync(FakeSource.Definition("k", 4), Cancelled);
        Assert.Equal(2, a["k"].Allowance);
    }

    [Fact]
    public async Task Add_JustBeforeStoreLoss_HasSlots()
    {
        var (a, _) = (await StartAsync(), await StartAsync());
        await RoundAsync(2);
        await a.Owner.AddAsync(FakeSource.Definition("k", 4), Cancelled);
        Assert.Equal(0, a["k"].Allowance);
        _store.IsLost = true;
        _clock.Advance(Sharing.Timeout);
        await RoundAsync(1);
        Assert.Equal(2, a["k"].Allowance);
    }

    [Fact]
    public async Task Exchange_DirectivesInStore_SentAgainOnlyAfterStoreLoss()
    {
        var (a, b) = (await StartAsync(), await StartAsync());
        await a.Owner.SetDrainingAsync("i", true, Cancelled);
        await a.Owner.AddAsync(FakeSource.Definition("k"), Cancelled);
        await RoundAsync(3);
        _store.WordsSaid = 0;
        await RoundAsync(3);
        Assert.Equal(0, _store.WordsSaid);
        await b.Owner.SetDrainingAsync("i", false, Cancelled);
        await RoundAsync(3);
        Assert.Equal(1, _store.WordsSaid); // one gateway wrote it once
        _store.Inner = new MemoryFleetStore(_clock, isShared: true);
        await RoundAsync(1);
        Assert.Equal(1, _store.WordsSaid);
        await RoundAsync(3);
        Assert.Equal(5, _store.WordsSaid); // each gateway that observed the loss wrote both once
        _store.Inner = OldStore();
        await RoundAsync(4);
        Assert.False(await a.IsDrainingAsync());
        Assert.False(await b.IsDrainingAsync());
        Assert.Equal(["i", "j", "k"], b.Names);
    }

    [Fact]
    public async Task Eject_AtOneGateway_AppliesToAll()
    {
        var (a, b) = (await StartAsync(), await StartAsync());
        a.Owner.ReportFailure(a["i"], InstanceFailure.ServerError);
        await a.SettleAsync();
        await RoundAsync(1);
        Assert.Equal(InstanceStatus.Ejected, (await b.ViewAsync("i")).Status);
        Assert.Equal(InstanceStatus.Healthy, (await b.ViewAsync("j")).Status);
        _clock.Advance(Health.EjectionTime);
        for (var n = 0; n < 2000 && (await b.ViewAsync("i")).Status != InstanceStatus.Healthy; n++)
            await Task.Yield();
        await RoundAsync(1);
        Assert.Equal(InstanceStatus.Healthy, (await b.ViewAsync("i")).Status);
    }

    [Fact]
    public async Task Eject_LastInstance_NotByAnotherGateway()
    {
        var (a, b) = (await StartAsync(), await StartAsync());
        foreach (var name in new[] { "i", "j" })
            a.Owner.ReportFailure(a[name], InstanceFailure.ServerError);
        await a.SettleAsync();
        await RoundAsync(2);
        Assert.Single(new[] { await b.ViewAsync("i"), await b.ViewAsync("j") }, v => v.Status == InstanceStatus.Healthy);
    }

    [Fact]
    public async Task Drain_ReplacedPod_NotAppliedToNextPod()
    {
        var (a, b) = (await StartAsync(), await StartAsync());
        var (pod, next) = (FakeSource.Definition("i") with { Incarnation = "uid-1" }, FakeSource.Definition("i") with { Incarnation = "uid-2" });
        await a.ChangeAsync(pod, FakeSource.Definition("j"));
        await b.ChangeAsync(pod, FakeSource.Definition("j"));
        await a.Owner.DrainUntilAsync("i", _clock.GetUtcNow().AddMinutes(1), Cancelled);
        await RoundAsync(2);
        Assert.True(await b.IsDrainingAsync());

        // First one gateway has the next pod's definition, then all gateways and a new one.
        await b.ChangeAsync(next, FakeSource.Definition("j"));
        await RoundAsync(2);
        Assert.True(await a.IsDrainingAsync());
        Assert.True((await b.ViewAsync("i")) is { Draining: false, DrainDeadline: null });
        await a.ChangeAsync(next, FakeSource.Definition("j"));
        var late = await StartAsync();
        await late.ChangeAsync(next, FakeSource.Definition("j"));
        await RoundAsync(2);
        Assert.False(await a.IsDrainingAsync());
        Assert.False(await late.IsDrainingAsync());

        // A directive for the first pod does not prevent a directive for the second one.
        await late.Owner.SetDrainingAsync("i", true, Cancelled);
        await RoundAsync(2);
        Assert.True(await a.IsDrainingAsync());
        Assert.True(await b.IsDrainingAsync());
    }

    [Fact]
    public async Task Eject_ReplacedPod_NotAppliedToNextPod()
    {
        var (a, b) = (await StartAsync(), await StartAsync());
        var pod = FakeSource.Definition("i") with { Incarnation = "uid-1" };
        await a.ChangeAsync(pod, FakeSource.Definition("j"));
        await b.ChangeAsync(pod with { Incarnation = "uid-2" }, FakeSource.Definition("j"));
        a.Owner.ReportFailure(a["i"], InstanceFailure.ServerError);
        await a.SettleAsync();
        await RoundAsync(2);
        Assert.Equal(InstanceStatus.Ejected, (await a.ViewAsync("i")).Status);
        Assert.Equal(InstanceStatus.Healthy, (await b.ViewAsync("i")).Status);

        // The ejection applies to the same pod.
        await b.ChangeAsync(pod, FakeSource.Definition("j"));
        await RoundAsync(2);
        Assert.Equal(InstanceStatus.Ejected, (await b.ViewAsync("i")).Status);
    }

    private string Decide(TestGateway gateway, ulong conversation) => Deciding.Scheduler(_clock)
        .Decide(new SchedulingRequest(gateway.Owner.Current.Anything, conversation, null, null, NeedsSlot: true, Now: 0, Waited: 0)).Placement!.Instance.Name;

    private static int Take(TestGateway gateway, int wanted)
    {
        var got = 0;
        while (got < wanted && gateway["i"].TryTakeSlot())
            got++;
        return got;
    }

    /// <summary>A store that returns with old directives.</summary>
    private MemoryFleetStore OldStore()
    {
        var store = new MemoryFleetStore(_clock, isShared: true);
        var old = _clock.GetUtcNow().ToUnixTimeMilliseconds() - 3_600_000;
        store.ExchangeAsync(
            new GatewayReport("old", TimeSpan.Zero, [], [new DrainMark("i", true, old)], [new MemberMark("k", null, old)], []), Cancelled).AsTask().Wait(Cancelled);
        return store;
    }

    private async Task<TestGateway> StartAsync(int slots = 1)
    {
        var gateway = new TestGateway(_store, _servers, _clock);
        _gateways.Add(gateway);
        await gateway.StartAsync(slots);
        return gateway;
    }

    /// <summary>Runs a number of exchanges of all gateways.</summary>
    private async Task RoundAsync(int times)
    {
        for (var n = 0; n < times; n++)
            foreach (var gateway in _gateways)
            {
                await gateway.Sharing.ExchangeAsync(Cancelled);
                await gateway.SettleAsync();
            }
    }

    /// <summary>A store with simulated outages.</summary>
    private sealed class LosableStore(IFleetStore inner) : IFleetStore
    {
        public IFleetStore Inner { get; set; } = inner;

        public bool IsLost { get; set; }

        public bool IsShared => true;

        public int WordsSaid { get; set; }

        public ValueTask<SharedFleet?> ExchangeAsync(GatewayReport report, CancellationToken cancellationToken)
        {
            WordsSaid += report.Drains.Length + report.Members.Length;
            return IsLost ? new ValueTask<SharedFleet?>((SharedFleet?)null) : Inner.ExchangeAsync(report, cancellationToken);
        }

        public ValueTask LeaveAsync(string gateway, CancellationToken cancellationToken) => Inner.LeaveAsync(gateway, cancellationToken);
    }

    /// <summary>The fleet components of a gateway.</summary>
    private sealed class TestGateway : IAsyncDisposable
    {
        private readonly FakeSource _source = new("i", "j");

        public TestGateway(IFleetStore store, FakeServers servers, TimeProvider clock)
        {
            Owner = new FleetOwner(
                new InstanceProbe(new HttpMessageInvoker(servers), clock), _source, Options.Create(Health), clock, NullLogger<FleetOwner>.Instance);
            Sharing = new FleetSharing(store, Owner, Options.Create(FleetSharingTests.Sharing), clock, NullLogger<FleetSharing>.Instance);
        }

        public FleetOwner Owner { get; }

        public FleetSharing Sharing { get; }

        public int Waiting => Owner.Current.Anything.State.Waiting;

        public IEnumerable<string> Names => Owner.Current.Instances.Select(v => v.Instance.Name);

        public Instance this[string name] => Owner.Current.Instances.Single(v => v.Instance.Name == name).Instance;

        public async Task StartAsync(int slots)
        {
            await Owner.StartingAsync(Cancelled);
            await Owner.StartAsync(Cancelled);
            _source.Change(FakeSource.Definition("i", slots), FakeSource.Definition("j", slots));
            await SettleAsync();
            await Sharing.StartingAsync(Cancelled);
            await SettleAsync();
        }

        /// <summary>Changes the gateway's instances, and waits for their first probes.</summary>
        public async Task ChangeAsync(params InstanceDefinition[] definitions)
        {
            _source.Change(definitions);
            for (var n = 0; n < 2000; n++)
            {
                await SettleAsync();
                await SettleAsync();
                if (Owner.Current.Instances.All(v => v.Status != InstanceStatus.Unknown))
                    return;
                await Task.Yield();
            }

            Assert.Fail("the instances were not probed");
        }

        public void Wait(int count) => SetWaiting(count);

        public void SetWaiting(int count) => Owner.Current.Anything.State.AddWaiting(count - Waiting);

        /// <summary>Waits until the snapshot reflects all earlier events of the owner.</summary>
        public async Task SettleAsync() => await Owner.SetDrainingAsync("nobody", true, Cancelled);

        public async Task<InstanceView> ViewAsync(string name)
        {
            await SettleAsync();
            await SettleAsync(); // the owner publishes after the last event of a batch
            return Owner.Current.Instances.Single(v => v.Instance.Name == name);
        }

        public async Task<bool> IsDrainingAsync() => (await ViewAsync("i")).Draining;

        public async ValueTask DisposeAsync()
        {
            await Owner.StopAsync(CancellationToken.None);
            Owner.Dispose();
            Sharing.Dispose();
        }
    }
}

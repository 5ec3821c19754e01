using OllamaBridge.Gateway.Discovery;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.State;

namespace OllamaBridge.Gateway.FunctionalTests.State;

/// <summary>The contract of every fleet store.</summary>
public abstract class FleetStoreContract : StateContract
{
    private static readonly TimeSpan Long = TimeSpan.FromMinutes(1);
    private static readonly long Now = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds();
    private IFleetStore _a = null!;
    private IFleetStore _b = null!;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    protected override async Task OpenStoresAsync() => (_a, _b) = (await OpenAsync(), await OpenAsync());

    [Fact]
    public async Task Exchange_TwoGateways_SeeBothInSameOrder()
    {
        await SayAsync(_a, "a", new SlotReport("an instance", 4, 1, 3, 2));
        var seen = await SayAsync(_b, "b", new SlotReport("an instance", 4, 0, 0, 2));
        Assert.Equal(["a", "b"], seen.Gateways);
        Assert.Equal(
            [new SlotClaim("a", "an instance", 1, 3, 2), new SlotClaim("b", "an instance", 0, 0, 2)],
            seen.Claims.OrderBy(c => c.Gateway, StringComparer.Ordinal));
    }

    [Fact]
    public async Task Exchange_MoreRequestedThanLeft_GrantsRest()
    {
        Assert.Equal(4, Claim(await SayAsync(_a, "a", new SlotReport("i", 4, 0, 0, 9)), "a"));
        Assert.Equal(0, Claim(await SayAsync(_b, "b", new SlotReport("i", 4, 0, 0, 4)), "b"));
        Assert.Equal(3, Claim(await SayAsync(_a, "a", new SlotReport("i", 4, 3, 0, 1)), "a")); // slots in use stay claimed
        Assert.Equal(1, Claim(await SayAsync(_b, "b", new SlotReport("i", 4, 0, 0, 4)), "b"));
    }

    [Fact]
    public async Task Exchange_ManyConcurrent_NeverMoreThanTotal()
    {
        var seen = await Task.WhenAll(Enumerable.Range(0, 40).Select(n => Task.Run(() =>
            SayAsync(n % 2 == 0 ? _a : _b, $"g{n:00}", new SlotReport("i", 7, 0, 0, 1 + (n % 3))))));
        Assert.All(seen, s => Assert.InRange(s.Claims.Sum(c => c.Claim), 1, 7));
        Assert.Equal(40, seen.Max(s => s.Gateways.Length));
    }

    [Fact]
    public async Task Exchange_GatewayTimedOut_RemovedAndSlotsFreed()
    {
        await SayAsync(_a, "a", TimeSpan.FromMilliseconds(50), new SlotReport("i", 4, 4, 9, 4));
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(Cancelled);
        patience.CancelAfter(TimeSpan.FromSeconds(20));
        SharedFleet seen;
        do
        {
            patience.Token.ThrowIfCancellationRequested();
            seen = await SayAsync(_b, "b", new SlotReport("i", 4, 0, 0, 4));
        }
        while (seen.Gateways.Length > 1);
        Assert.Equal([new SlotClaim("b", "i", 0, 0, 4)], seen.Claims);
    }

    [Fact]
    public async Task Leave_Gateway_SlotsFreedImmediately()
    {
        await SayAsync(_a, "a", new SlotReport("i", 4, 4, 0, 4));
        await _a.LeaveAsync("a", Cancelled);
        var seen = await SayAsync(_b, "b", new SlotReport("i", 4, 0, 0, 4));
        Assert.Equal(["b"], seen.Gateways);
        Assert.Equal(4, Claim(seen, "b"));
    }

    [Fact]
    public async Task Exchange_InstanceNoLongerReported_Removed()
    {
        await SayAsync(_a, "a", new SlotReport("i", 4, 0, 0, 2), new SlotReport("j", 4, 0, 0, 2));
        Assert.Equal(["j"], (await SayAsync(_a, "a", new SlotReport("j", 4, 0, 0, 2))).Claims.Select(c => c.Instance));
    }

    [Fact]
    public async Task Exchange_Drains_NewestDirectiveWinsInAnyOrder()
    {
        await _a.ExchangeAsync(Report("a") with { Drains = [new DrainMark("i", true, Now + 2)] }, Cancelled);
        await _b.ExchangeAsync(Report("b") with { Drains = [new DrainMark("i", false, Now + 1), new DrainMark("j k", true, 5)] }, Cancelled);
        Assert.Equal([new DrainMark("i", true, Now + 2), new DrainMark("j k", true, 5)], (await SayAsync(_b, "b")).Drains.OrderBy(d => d.Instance));
        await _b.ExchangeAsync(Report("b") with { Drains = [new DrainMark("i", false, Now + 3)] }, Cancelled);
        Assert.Equal(new DrainMark("i", false, Now + 3), (await SayAsync(_a, "a")).Drains.Single(d => d.Instance == "i"));
    }

    [Fact]
    public async Task Exchange_DrainWithDeadline_ExactUntilNextDirective()
    {
        var mark = new DrainMark("j k", true, Now + 1, Now + 90_001);
        await _a.ExchangeAsync(Report("a") with { Drains = [mark, new DrainMark("i", true, Now + 1)] }, Cancelled);
        Assert.Equal([new DrainMark("i", true, Now + 1), mark], (await SayAsync(_b, "b")).Drains.OrderBy(d => d.Instance));
        await _b.ExchangeAsync(Report("b") with { Drains = [mark with { Version = Now + 2, Deadline = 0 }] }, Cancelled);
        Assert.Null((await SayAsync(_a, "a")).Drains.Single(d => d.Instance == "j k").Until);
        await _b.ExchangeAsync(Report("b") with { Drains = [mark with { Version = Now + 3 }] }, Cancelled);
        Assert.Equal(Now + 90_001, (await SayAsync(_a, "a")).Drains.Single(d => d.Instance == "j k").Until?.ToUnixTimeMilliseconds());
        await _b.ExchangeAsync(Report("b") with { Drains = [new DrainMark("j k", false, Now + 4)] }, Cancelled);
        Assert.False((await SayAsync(_a, "a")).Drains.Single(d => d.Instance == "j k").Draining);
    }

    [Fact]
    public async Task Exchange_Members_NewestDirectiveWins()
    {
        var one = new InstanceDefinition("GPU:1", new Uri("http://[::1]:11434/under/a/path"), 4, 2);
        var other = new InstanceDefinition("gpu:2", new Uri("https://elsewhere"), 1, 0)
        {
            OpenAI = new OpenAIService(["Org/Model", "b"], ApiRoutes.Responses | ApiRoutes.Messages, "/ready"),
        };
        await _a.ExchangeAsync(Report("a") with { Members = [Word(one, 2), Word(other, 1)] }, Cancelled);
        await _b.ExchangeAsync(Report("b") with { Members = [Word(one, 1) with { Definition = null }, Word(other, 2) with { Definition = null }] }, Cancelled);
        Assert.Equal([Word(one, 2), Word(other, 2) with { Definition = null }], (await SayAsync(_b, "b")).Members.OrderBy(m => m.Instance));
        await _b.ExchangeAsync(Report("b") with { Members = [Word(one with { Slots = 5 }, 3), Word(other, 3)] }, Cancelled);
        Assert.Equal([Word(one with { Slots = 5 }, 3), Word(other, 3)], (await SayAsync(_a, "a")).Members.OrderBy(m => m.Instance));
    }

    [Fact]
    public async Task Exchange_UndoingDirectives_ExpireAndOthersStay()
    {
        var spent = DateTimeOffset.UtcNow - OperatorDirectives.Memory - TimeSpan.FromMinutes(1);
        var instance = new InstanceDefinition("i", new Uri("http://i"), 1, 0);
        var old = spent.ToUnixTimeMilliseconds();
        var seen = await _a.ExchangeAsync(
            Report("a") with
            {
                Drains =
                [
                    new DrainMark("i", true, old), new DrainMark("j", false, old), new DrainMark("k", false, old + 3_600_000),
                    new DrainMark("pod", true, old, 0, "uid-1"),
                ],
                Members = [new MemberMark("i", instance, old), new MemberMark("j", null, old), new MemberMark("k", null, old + 3_600_000)],
            },
            Cancelled);
        Assert.Equal(["i", "k"], seen!.Drains.Select(d => d.Instance).Order());
        Assert.Equal(["i", "k"], seen.Members.Select(m => m.Instance).Order());
    }

    [Fact]
    public async Task Exchange_DirectiveForOnePod_ReturnedForThatPod()
    {
        DrainMark[] drains = [new("i", true, Now + 1, Now + 90_001, "10.0.0.1:11434"), new("j k", true, Now + 1, 0, "7d1f-uid")];
        await _a.ExchangeAsync(Report("a") with { Drains = [.. drains], Ejections = [new EjectionMark("i", "a", Long, "[fd00::1]:80")] }, Cancelled);
        var seen = await SayAsync(_b, "b");
        Assert.Equal(drains, seen.Drains.OrderBy(d => d.Instance));
        Assert.Equal("[fd00::1]:80", Assert.Single(seen.Ejections).Incarnation);
        await _b.ExchangeAsync(Report("b") with { Drains = [drains[1] with { Version = Now + 2, Incarnation = null }] }, Cancelled);
        Assert.Null((await SayAsync(_a, "a")).Drains.Single(d => d.Instance == "j k").Incarnation);
    }

    [Fact]
    public async Task Exchange_Ejections_ReturnedWithRemainingTimeUntilExpiry()
    {
        await _a.ExchangeAsync(Report("a") with { Ejections = [new EjectionMark("i", "a", Long), new EjectionMark("j", "a", TimeSpan.FromMilliseconds(40))] }, Cancelled);
        var heard = (await SayAsync(_b, "b")).Ejections.Single(e => e.Instance == "i");
        Assert.Equal("a", heard.Gateway);
        Assert.InRange(heard.Remaining, TimeSpan.FromSeconds(30), Long);
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(Cancelled);
        patience.CancelAfter(TimeSpan.FromSeconds(20));
        while ((await SayAsync(_b, "b")).Ejections.Length > 1)
            patience.Token.ThrowIfCancellationRequested();
    }

    /// <summary>Opens the store for one more gateway.</summary>
    private protected abstract Task<IFleetStore> OpenAsync();

    private protected async Task<IFleetStore> ConnectAsync(int port) => new RedisFleetStore(Own(await TestConnection.OpenAsync(port)).State.Open("fleet", ""));

    private static GatewayReport Report(string gateway) => new(gateway, Long, [], [], [], []);

    private static MemberMark Word(InstanceDefinition definition, long order) =>
        new(MemberMark.Key(definition.Name), definition, Now + order);

    private static Task<SharedFleet> SayAsync(IFleetStore store, string gateway, params SlotReport[] slots) => SayAsync(store, gateway, Long, slots);

    private static async Task<SharedFleet> SayAsync(IFleetStore store, string gateway, TimeSpan lifetime, params SlotReport[] slots) =>
        Assert.IsType<SharedFleet>(await store.ExchangeAsync(Report(gateway) with { Lifetime = lifetime, Slots = [.. slots] }, Cancelled));

    private static int Claim(SharedFleet seen, string gateway) => seen.Claims.Single(c => c.Gateway == gateway).Claim;
}

public sealed class MemoryFleetStoreTests : FleetStoreContract
{
    private readonly MemoryFleetStore _store = new(TimeProvider.System, isShared: true);

    protected override Task StartAsync() => Task.CompletedTask;

    private protected override Task<IFleetStore> OpenAsync() => Task.FromResult<IFleetStore>(_store);
}

public sealed class GarnetFleetStoreTests : FleetStoreContract
{
    private RunningStateServer _server = null!;

    protected override async Task StartAsync() => _server = Own(await RunningStateServer.StartAsync());

    private protected override Task<IFleetStore> OpenAsync() => ConnectAsync(_server.Options.Port);
}

public sealed class RedisFleetStoreTests : FleetStoreContract
{
    private RunningRedis _server = null!;

    protected override async Task StartAsync() => _server = Own(await RunningRedis.StartAsync());

    [Fact]
    public async Task Exchange_Drains_CompatibleWithGatewaysWithoutDeadlines()
    {
        var store = await OpenAsync();
        using var redis = await StackExchange.Redis.ConnectionMultiplexer.ConnectAsync($"127.0.0.1:{_server.Port}");
        const string Key = "test:{fleet}:drains";
        await redis.GetDatabase().HashSetAsync(Key, "old", "1000 1");
        DrainMark[] marks = [new("i", true, 2000), new("j", true, 3000, 4000)];
        var seen = await store.ExchangeAsync(
            new GatewayReport("a", TimeSpan.FromMinutes(1), [], [.. marks], [], []), TestContext.Current.CancellationToken);
        Assert.Equal([.. marks, new DrainMark("old", true, 1000)], seen!.Drains.OrderBy(d => d.Instance, StringComparer.Ordinal));
        Assert.Equal("2000 1", await redis.GetDatabase().HashGetAsync(Key, "i"));
        // An older gateway splits at blanks and reads the second part, which is unchanged.
        Assert.Equal("3000 1 4000", await redis.GetDatabase().HashGetAsync(Key, "j"));
    }

    private protected override Task<IFleetStore> OpenAsync() => ConnectAsync(_server.Port);
}

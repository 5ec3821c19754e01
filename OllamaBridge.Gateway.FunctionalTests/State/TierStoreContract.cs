using OllamaBridge.Gateway.Activation;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Gateway.State;

namespace OllamaBridge.Gateway.FunctionalTests.State;

/// <summary>The contract of every store of the tiers' use.</summary>
public abstract class TierStoreContract : StateContract
{
    private static readonly TimeSpan Moment = TimeSpan.FromSeconds(20);
    private ITierStore _a = null!;
    private ITierStore _b = null!;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    protected override async Task OpenStoresAsync() => (_a, _b) = (await OpenAsync(), await OpenAsync());

    [Fact]
    public async Task Touch_TwoGateways_BothReadLatestUse()
    {
        await _a.TouchAsync("cold", TimeSpan.Zero, Cancelled);
        Assert.InRange((await _b.TouchAsync("cold", TimeSpan.FromHours(1), Cancelled))!.Unused, TimeSpan.Zero, Moment);
        Assert.InRange((await _a.TouchAsync("cold", TimeSpan.FromHours(2), Cancelled))!.Unused, TimeSpan.Zero, Moment);
    }

    [Fact]
    public async Task NoteDrained_UntilItEnds_ReadByAllGateways()
    {
        Assert.True(await _a.NoteDrainedAsync("cold", ["cold-0", "cold-1"], Cancelled));
        await _a.NoteDrainedAsync("other", ["other-0"], Cancelled);
        Assert.Equal(["cold-0", "cold-1"], (await _b.TouchAsync("cold", TimeSpan.Zero, Cancelled))!.Drained);
        Assert.True(await _b.NoteDrainedAsync("cold", [], Cancelled));
        Assert.Empty((await _a.TouchAsync("cold", TimeSpan.Zero, Cancelled))!.Drained);
        Assert.Equal(["other-0"], (await _a.TouchAsync("other", TimeSpan.Zero, Cancelled))!.Drained);
    }

    /// <summary>Opens the store for one more gateway.</summary>
    private protected abstract Task<ITierStore> OpenAsync();

    private protected async Task<ITierStore> ConnectAsync(int port) => new RedisTierStore(Own(await TestConnection.OpenAsync(port)).State.Open("tiers", ""));
}

public sealed class MemoryTierStoreTests : TierStoreContract
{
    private readonly MemoryTierStore _store = new(TimeProvider.System);

    protected override Task StartAsync() => Task.CompletedTask;

    private protected override Task<ITierStore> OpenAsync() => Task.FromResult<ITierStore>(_store);

    [Fact]
    public async Task Touch_TimePasses_UnusedForThatTime()
    {
        var clock = new Microsoft.Extensions.Time.Testing.FakeTimeProvider();
        var store = new MemoryTierStore(clock);
        await store.TouchAsync("cold", TimeSpan.FromSeconds(5), TestContext.Current.CancellationToken);
        clock.Advance(TimeSpan.FromSeconds(60));
        Assert.Equal(TimeSpan.FromSeconds(65), (await store.TouchAsync("cold", TimeSpan.FromSeconds(90), TestContext.Current.CancellationToken))!.Unused);
    }
}

public sealed class GarnetTierStoreTests : TierStoreContract
{
    private RunningStateServer _server = null!;

    protected override async Task StartAsync() => _server = Own(await RunningStateServer.StartAsync());

    private protected override Task<ITierStore> OpenAsync() => ConnectAsync(_server.Options.Port);
}

public sealed class RedisTierStoreTests : TierStoreContract
{
    private RunningRedis _server = null!;

    protected override async Task StartAsync() => _server = Own(await RunningRedis.StartAsync());

    private protected override Task<ITierStore> OpenAsync() => ConnectAsync(_server.Port);
}

using OllamaBridge.Gateway.Catalog;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Gateway.State;

namespace OllamaBridge.Gateway.FunctionalTests.State;

/// <summary>The contract of every store of the writer lock.</summary>
public abstract class WriterStoreContract : StateContract
{
    private static readonly TimeSpan Long = TimeSpan.FromMinutes(1);
    private IModelStoreLockStore _a = null!;
    private IModelStoreLockStore _b = null!;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    protected override async Task OpenStoresAsync() => (_a, _b) = (await OpenAsync(), await OpenAsync());

    [Fact]
    public async Task Hold_HeldElsewhere_RefusedUntilReleased()
    {
        Assert.Equal(ModelStoreClaim.Held, await _a.HoldAsync("a", Long, Cancelled));
        Assert.Equal(ModelStoreClaim.HeldElsewhere, await _b.HoldAsync("b", Long, Cancelled));
        Assert.Equal(ModelStoreClaim.Held, await _a.HoldAsync("a", Long, Cancelled));
        await _b.ReleaseAsync("b", Cancelled); // "b" does not hold the lock
        Assert.Equal(ModelStoreClaim.HeldElsewhere, await _b.HoldAsync("b", Long, Cancelled));
        await _a.ReleaseAsync("a", Cancelled);
        Assert.Equal(ModelStoreClaim.Held, await _b.HoldAsync("b", Long, Cancelled));
    }

    [Fact]
    public async Task Hold_HolderTimedOut_FreeAfterLifetime()
    {
        Assert.Equal(ModelStoreClaim.Held, await _a.HoldAsync("a", TimeSpan.FromMilliseconds(50), Cancelled));
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(Cancelled);
        patience.CancelAfter(TimeSpan.FromSeconds(20));
        while (await _b.HoldAsync("b", Long, patience.Token) != ModelStoreClaim.Held)
            patience.Token.ThrowIfCancellationRequested();
        Assert.Equal(ModelStoreClaim.HeldElsewhere, await _a.HoldAsync("a", Long, Cancelled));
    }

    [Fact]
    public async Task Hold_RenewedBeforeEnd_ExtendedByLifetime()
    {
        await _a.HoldAsync("a", TimeSpan.FromSeconds(2), Cancelled);
        await _a.HoldAsync("a", Long, Cancelled);
        var until = DateTime.UtcNow + TimeSpan.FromSeconds(2.2);
        while (DateTime.UtcNow < until)
            Assert.Equal(ModelStoreClaim.HeldElsewhere, await _b.HoldAsync("b", Long, Cancelled));
    }

    [Fact]
    public async Task Hold_Concurrent_OneHolder()
    {
        var claims = await Task.WhenAll(Enumerable.Range(0, 40).Select(n => Task.Run(async () => await (n % 2 == 0 ? _a : _b).HoldAsync($"{n}", Long, Cancelled))));
        Assert.Single(claims, ModelStoreClaim.Held);
        Assert.Equal(39, claims.Count(c => c == ModelStoreClaim.HeldElsewhere));
    }

    /// <summary>Opens the store for one more gateway.</summary>
    private protected abstract Task<IModelStoreLockStore> OpenAsync();

    private protected async Task<IModelStoreLockStore> ConnectAsync(int port) => new RedisModelStoreLockStore(Own(await TestConnection.OpenAsync(port)).State.Open("writer", ""));
}

public sealed class MemoryModelStoreLockStoreTests : WriterStoreContract
{
    private readonly MemoryModelStoreLockStore _store = new(TimeProvider.System);

    protected override Task StartAsync() => Task.CompletedTask;

    private protected override Task<IModelStoreLockStore> OpenAsync() => Task.FromResult<IModelStoreLockStore>(_store);
}

public sealed class GarnetWriterStoreTests : WriterStoreContract
{
    private RunningStateServer _server = null!;

    protected override async Task StartAsync() => _server = Own(await RunningStateServer.StartAsync());

    private protected override Task<IModelStoreLockStore> OpenAsync() => ConnectAsync(_server.Options.Port);
}

public sealed class RedisModelStoreLockStoreTests : WriterStoreContract
{
    private RunningRedis _server = null!;

    protected override async Task StartAsync() => _server = Own(await RunningRedis.StartAsync());

    private protected override Task<IModelStoreLockStore> OpenAsync() => ConnectAsync(_server.Port);
}

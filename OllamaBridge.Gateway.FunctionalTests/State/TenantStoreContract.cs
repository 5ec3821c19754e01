using Microsoft.Extensions.Logging.Abstractions;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Gateway.State;
using OllamaBridge.Gateway.Tenants;
using OllamaBridge.Testing;
using StackExchange.Redis;

namespace OllamaBridge.Gateway.FunctionalTests.State;

/// <summary>The contract of every tenant store.</summary>
public abstract class TenantStoreContract : StateContract
{
    private protected ITenantStore A { get; private set; } = null!;

    private protected ITenantStore B { get; private set; } = null!;

    private protected static CancellationToken Token => TestContext.Current.CancellationToken;

    protected override async Task OpenStoresAsync() => (A, B) = (await OpenAsync(), await OpenAsync());

    [Fact]
    public async Task Read_NothingStored_EmptyList()
    {
        var list = await ReadAsync(A);
        Assert.Empty(list.Tenants);
        Assert.Equal(new TenantReading(true, null), await A.ReadAsync(list.Version, Token));
    }

    [Fact]
    public async Task Replace_TenantWithAllFields_ReadByOtherGateway()
    {
        var (_, verifier) = ApiKey.Create();
        var time = new DateTimeOffset(2026, 1, 31, 12, 30, 15, 250, TimeSpan.Zero);
        var tenant = new TenantRecord
        {
            Id = "team-a",
            Scopes = Scopes.Inference | Scopes.Admin,
            Models = ["deepseek-r1:*", "qwen3:8b"],
            Instances = ["shared-*"],
            OwnInstances = ["gpu-é"],
            Weight = 2.5,
            Priority = Priority.Batch,
            Limits = new TenantLimits { RequestsPerSecond = 0.5, ConcurrentRequests = 3, TokensPerMinute = 4, TokensPerDay = 5, Models = [new ModelLimits { Model = "qwen3:8b", TokensPerDay = 6 }] },
            Disabled = true,
            Keys = [new KeyRecord(verifier.ToString(), time, null), new KeyRecord(ApiKey.Create().Verifier.ToString(), time, time.AddDays(1))],
        };

        var written = await A.ReplaceAsync(TenantVersion.None, tenant.Id, tenant, Token);

        Assert.Equal(WriteOutcome.Done, written.Outcome);
        var list = await ReadAsync(B);
        Assert.Equal(written.Version, list.Version);
        Assert.Equivalent(tenant, Assert.Single(list.Tenants), strict: true);
        Assert.Equal(new TenantReading(true, null), await A.ReadAsync(written.Version, Token));
    }

    [Fact]
    public async Task Replace_ConcurrentChange_ConflictAndNoChange()
    {
        var known = (await ReadAsync(A)).Version;
        Assert.Equal(WriteOutcome.Done, (await B.ReplaceAsync(known, "b", new TenantRecord { Id = "b" }, Token)).Outcome);
        Assert.Equal(WriteOutcome.Conflict, (await A.ReplaceAsync(known, "a", new TenantRecord { Id = "a" }, Token)).Outcome);
        Assert.Equal(WriteOutcome.Conflict, (await A.ReplaceAsync(known, "b", null, Token)).Outcome);
        Assert.Equal(["b"], (await ReadAsync(A)).Tenants.Select(t => t.Id));
    }

    [Fact]
    public async Task Replace_WithNull_Removed()
    {
        var one = await A.ReplaceAsync(TenantVersion.None, "a", new TenantRecord { Id = "a" }, Token);
        var two = await A.ReplaceAsync(one.Version, "b", new TenantRecord { Id = "b", Weight = 2 }, Token);
        var three = await B.ReplaceAsync(two.Version, "a", null, Token);
        Assert.Equal(WriteOutcome.Done, three.Outcome);
        Assert.Equal(3, three.Version.Count);
        var list = (await A.ReadAsync(two.Version, Token)).List;
        Assert.Equal(["b"], list!.Tenants.Select(t => t.Id));
        Assert.Equal(three.Version, list.Version);
    }

    [Fact]
    public async Task Replace_ConcurrentChangesFromTwo_NoneLost()
    {
        await Task.WhenAll(Enumerable.Range(0, 8).Select(w => Task.Run(async () =>
        {
            var store = w % 2 == 0 ? A : B;
            for (var i = 0; i < 10; i++)
            {
                TenantList list;
                TenantRecord? was;
                do
                {
                    list = await ReadAsync(store);
                    was = list.Tenants.FirstOrDefault(t => t.Id == "team");
                }
                while ((await store.ReplaceAsync(
                    list.Version, "team", (was ?? new TenantRecord { Id = "team" }) with { Models = [.. was?.Models ?? [], $"m{w}-{i}"] }, Token)).Outcome != WriteOutcome.Done);
            }
        })));

        var all = await ReadAsync(A);
        Assert.Equal(80, all.Version.Count);
        Assert.Equal(80, all.Tenants.Single().Models.Distinct().Count());
    }

    /// <summary>Opens the store for one more gateway.</summary>
    private protected abstract Task<ITenantStore> OpenAsync();

    private protected static async Task<TenantList> ReadAsync(ITenantStore store) => Assert.IsType<TenantList>((await store.ReadAsync(null, Token)).List);
}

public sealed class MemoryTenantStoreTests : TenantStoreContract
{
    private readonly MemoryTenantStore _store = new(isShared: true);

    protected override Task StartAsync() => Task.CompletedTask;

    private protected override Task<ITenantStore> OpenAsync() => Task.FromResult<ITenantStore>(_store);
}

/// <summary>The contract of tenant stores that several gateways share.</summary>
public abstract class SharedTenantStoreContract : TenantStoreContract
{
    private protected abstract int Port { get; }

    [Fact]
    public async Task Replace_ResponsesLost_AppliedOnce()
    {
        await using var proxy = new RedisProxy { Target = Port };
        var store = await OpenAsync(proxy.Address);
        var version = TenantVersion.None;
        for (var round = 1; round <= 8; round++)
        {
            await Poll.UntilAsync(() => Connections[^1].State.IsHealthy);
            proxy.Swallow = 1;
            TenantWriting written;
            while ((written = await store.ReplaceAsync(version, "team", new TenantRecord { Id = "team", Weight = round }, Token)).Outcome == WriteOutcome.NoAnswer)
            {
                // A read shows whether the write was applied.
                await Poll.UntilAsync(() => Connections[^1].State.IsHealthy);
                if ((await store.ReadAsync(null, Token)).List is { } list && list.Version != version)
                {
                    written = new TenantWriting(WriteOutcome.Done, list.Version);
                    break;
                }
            }

            Assert.Equal(WriteOutcome.Done, written.Outcome);
            version = written.Version;
        }

        var all = await ReadAsync(A);
        Assert.Equal(8, all.Version.Count);
        Assert.Equal(8, all.Tenants.Single().Weight);
    }

    [Fact]
    public async Task Replace_ResponseLate_RetriedAndAppliedOnce()
    {
        await using var proxy = new RedisProxy { Target = Port };
        // The long interval keeps other commands off this connection during the test.
        var store = await OpenAsync(proxy.Address, TimeSpan.FromMinutes(1));
        await Poll.UntilAsync(() => Connections[^1].State.IsHealthy);
        await ReadAsync(store);
        proxy.Delay = TimeSpan.FromSeconds(2.5); // longer than the timeout of the first attempt
        var writing = store.ReplaceAsync(TenantVersion.None, "team", new TenantRecord { Id = "team" }, Token).AsTask();
        var list = await ReadAsync(A);
        await Eventually.BecomesAsync(async () => (list = await ReadAsync(A)).Version != TenantVersion.None, TimeSpan.FromSeconds(20));
        proxy.Delay = TimeSpan.Zero;

        Assert.Equal(new TenantWriting(WriteOutcome.Done, list.Version), await writing);
        Assert.Equal(1, (await ReadAsync(A)).Version.Count);
    }

    [Fact]
    public async Task ReadAndReplace_NoRedis_ReportUnreachable()
    {
        await using var proxy = new RedisProxy();
        var store = await OpenAsync(proxy.Address);
        Assert.Equal(default, await store.ReadAsync(null, Token));
        Assert.Equal(WriteOutcome.NoAnswer, (await store.ReplaceAsync(TenantVersion.None, "a", new TenantRecord { Id = "a" }, Token)).Outcome);
    }

    [Theory]
    [InlineData("no json")]
    [InlineData("null")]
    [InlineData("""{ "id": "another", "scopes": "Inference", "weight": 1 }""")]
    [InlineData("""{ "id": "odd", "scopes": "Everything", "weight": 1 }""")]
    [InlineData("""{ "id": "odd", "scopes": "Inference", "weight": 1, "models": null }""")]
    [InlineData("""{ "id": "odd", "scopes": "Inference", "weight": 0 }""")]
    [InlineData("""{ "id": "odd", "scopes": "Inference", "weight": 1, "keys": [ { "verifier": "in clear", "created": "2026-01-31T00:00:00Z" } ] }""")]
    public async Task Read_OneInvalidTenant_OthersRead(string json)
    {
        await A.ReplaceAsync(TenantVersion.None, "good", new TenantRecord { Id = "good" }, Token);
        await using (var redis = await ConnectionMultiplexer.ConnectAsync($"127.0.0.1:{Port}"))
            await redis.GetDatabase().HashSetAsync("test:{tenants}:records", "odd", json);
        Assert.Equal(["good"], (await ReadAsync(A)).Tenants.Select(t => t.Id));
    }

    [Fact]
    public async Task Read_OptionalFieldsMissing_Defaults()
    {
        await using (var redis = await ConnectionMultiplexer.ConnectAsync($"127.0.0.1:{Port}"))
            await redis.GetDatabase().HashSetAsync("test:{tenants}:records", "t", """{ "id": "t", "scopes": "Inference", "weight": 1, "something": "new" }""");
        Assert.Equivalent(new TenantRecord { Id = "t" }, (await ReadAsync(A)).Tenants.Single(), strict: true);
    }

    private protected List<TestConnection> Connections { get; } = [];

    private protected override async Task<ITenantStore> OpenAsync()
    {
        var store = await OpenAsync($"127.0.0.1:{Port}");
        await Poll.UntilAsync(() => Connections[^1].State.IsHealthy);
        return store;
    }

    private async Task<ITenantStore> OpenAsync(string address, TimeSpan? probeInterval = null)
    {
        var connection = Own(new TestConnection(address, probeInterval: probeInterval ?? TimeSpan.FromMilliseconds(50)));
        Connections.Add(connection);
        await connection.StartAsync();
        return new RedisTenantStore(connection.State.Open("tenants", ""), NullLogger<RedisTenantStore>.Instance);
    }
}

public sealed class GarnetTenantStoreTests : SharedTenantStoreContract
{
    private RunningStateServer _server = null!;

    private protected override int Port => _server.Options.Port;

    protected override async Task StartAsync() => _server = Own(await RunningStateServer.StartAsync());
}

public sealed class RedisTenantStoreTests : SharedTenantStoreContract
{
    private RunningRedis _server = null!;

    private protected override int Port => _server.Port;

    protected override async Task StartAsync() => _server = Own(await RunningRedis.StartAsync());
}

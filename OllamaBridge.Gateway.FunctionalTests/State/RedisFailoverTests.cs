using Microsoft.Extensions.Diagnostics.HealthChecks;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Gateway.State;
using OllamaBridge.Testing;
using StackExchange.Redis;

namespace OllamaBridge.Gateway.FunctionalTests.State;

/// <summary>Real Redis servers that change roles and addresses. These tests run alone because their time-outs are short.</summary>
[Collection(nameof(Alone))]
public sealed class RedisFailoverTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task AddressMoves_OldPrimaryBecomesReplica_WritesRecover()
    {
        await using var old = await RunningRedis.StartAsync();
        await using var replacement = await RunningRedis.StartAsync();
        await using var address = new RedisProxy { Target = old.Port };
        await using var connection = await OpenAsync(address.Address);
        var store = connection.State.Open("test", "nothing");
        Assert.True(await WriteAsync(store));

        // The name now resolves to the new primary. The open connection still leads to the old one, which is read-only.
        address.Target = replacement.Port;
        await old.AskAsync("REPLICAOF", "127.0.0.1", $"{replacement.Port}");

        await AssertWritesRecoverAsync(store);
        Assert.Equal(HealthStatus.Healthy, (await HealthAsync(connection)).Status);
    }

    [Fact]
    public async Task AddressMoves_OldPrimaryHangs_WritesRecover()
    {
        await using var old = await RunningRedis.StartAsync();
        await using var replacement = await RunningRedis.StartAsync();
        await using var address = new RedisProxy { Target = old.Port };
        await using var connection = await OpenAsync(address.Address, TimeSpan.FromSeconds(1));
        var store = connection.State.Open("test", "nothing");
        Assert.True(await WriteAsync(store));

        // The open connection neither fails nor responds.
        address.Delay = TimeSpan.FromHours(1);
        await WriteAsync(store);
        (address.Target, address.Delay) = (replacement.Port, TimeSpan.Zero);

        await AssertWritesRecoverAsync(store);
    }

    [Fact]
    public async Task PrimaryTurnsReadOnly_TwoAddresses_OtherIsUsed()
    {
        await using var first = await RunningRedis.StartAsync();
        await using var second = await RunningRedis.StartAsync(null, "--replicaof", "127.0.0.1", $"{first.Port}");
        await using var connection = await OpenAsync($"127.0.0.1:{first.Port},127.0.0.1:{second.Port}");
        var store = connection.State.Open("test", "nothing");
        Assert.True(await WriteAsync(store));

        await second.AskAsync("REPLICAOF", "NO", "ONE");
        await first.AskAsync("REPLICAOF", "127.0.0.1", $"{second.Port}");

        await AssertWritesRecoverAsync(store);
    }

    [Fact]
    public async Task Sentinel_PrimaryDies_PromotedReplicaIsUsed()
    {
        await using var primary = await RunningRedis.StartAsync();
        await using var follower = await RunningRedis.StartAsync(null, "--replicaof", "127.0.0.1", $"{primary.Port}");
        await Eventually.BecomesAsync(() => RoleAsync(follower, "master_link_status:up"), TestTimeouts.Guard);
        await using var sentinel = await RunningRedis.StartSentinelAsync(primary.Port, "bridge-state");
        await using var connection = await OpenAsync($"127.0.0.1:{sentinel.Port},serviceName=bridge-state");
        var store = connection.State.Open("test", "nothing");
        Assert.True(await WriteAsync(store));
        // A sentinel discovers replicas by asking the primary every ten seconds.
        await Eventually.BecomesAsync(() => sentinel.HasLogged("+slave "), TestTimeouts.Guard);

        await primary.KillAsync();
        await Eventually.BecomesAsync(() => RoleAsync(follower, "role:master"), TestTimeouts.Guard);

        await AssertWritesRecoverAsync(store);
    }

    [Fact]
    public async Task ScriptsRefused_PingWorks_DegradedUntilAllowed()
    {
        await using var redis = await RunningRedis.StartAsync();
        await using var connection = await OpenAsync($"127.0.0.1:{redis.Port}");
        Assert.Equal(HealthStatus.Healthy, (await HealthAsync(connection)).Status);

        await redis.AskAsync("ACL", "SETUSER", "default", "-@scripting");

        await Eventually.BecomesAsync(async () => (await HealthAsync(connection)).Status == HealthStatus.Degraded, TestTimeouts.Guard);
        Assert.Contains("refuses scripts", (await HealthAsync(connection)).Description, StringComparison.Ordinal);
        Assert.False(connection.State.IsHealthy);
        Assert.Equal("PONG", (string?)await redis.AskAsync("PING"));

        await redis.AskAsync("ACL", "SETUSER", "default", "+@scripting");
        await Eventually.BecomesAsync(async () => (await HealthAsync(connection)).Status == HealthStatus.Healthy, TestTimeouts.Guard);
    }

    private static async Task<TestConnection> OpenAsync(string connectionString, TimeSpan? operationTimeout = null)
    {
        var connection = new TestConnection(connectionString, operationTimeout: operationTimeout);
        await connection.StartAsync();
        await Eventually.BecomesAsync(() => connection.State.IsHealthy, TestTimeouts.Guard);
        return connection;
    }

    private static async Task<bool> WriteAsync(SharedStore store) =>
        (await store.TryAsync(redis => redis.ScriptEvaluateAsync("return redis.call('INCR', KEYS[1])", [store.Key("count")]), Token)).Answered;

    private static Task AssertWritesRecoverAsync(SharedStore store) => Eventually.BecomesAsync(() => WriteAsync(store), TestTimeouts.Guard);

    private static async Task<bool> RoleAsync(RunningRedis redis, string line)
    {
        try
        {
            return (await redis.AskAsync("INFO", "replication")).ToString().Contains(line, StringComparison.Ordinal);
        }
        catch (RedisConnectionException)
        {
            // A server that changes its role closes its connections.
            return false;
        }
    }

    private static Task<HealthCheckResult> HealthAsync(TestConnection connection) =>
        new StateHealthCheck(connection.State).CheckHealthAsync(new HealthCheckContext(), Token);
}

using Microsoft.Extensions.Logging.Abstractions;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.StateServer;
using OllamaBridge.Testing;
using StackExchange.Redis;

namespace OllamaBridge.Gateway.FunctionalTests.State;

/// <summary>The StateServer supports the commands that a gateway uses, tested with the gateway's client library.</summary>
public class StateServerTests
{
    // As in a rate limiter: counts, and starts the window with the first count.
    private const string CountInWindow = """
        local n = redis.call('INCR', KEYS[1])
        if n == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
        return {n, redis.call('PTTL', KEYS[1])}
        """;

    private static readonly TimeSpan Patience = TestTimeouts.Guard;

    [Fact]
    public async Task Ping_NoPassword_Pong()
    {
        await using var server = await RunningStateServer.StartAsync();
        await using var client = await server.ConnectAsync();
        Assert.True(await client.GetDatabase().PingAsync() > TimeSpan.Zero);
    }

    [Fact]
    public async Task Set_WithExpiry_ExpiresOnTime()
    {
        await using var server = await RunningStateServer.StartAsync();
        await using var client = await server.ConnectAsync();
        var redis = client.GetDatabase();
        Assert.True(await redis.StringSetAsync("key", "value", TimeSpan.FromMinutes(5)));
        Assert.Equal("value", await redis.StringGetAsync("key"));
        Assert.InRange((await redis.KeyTimeToLiveAsync("key"))!.Value, TimeSpan.FromMinutes(4), TimeSpan.FromMinutes(5));
        Assert.True(await redis.KeyExpireAsync("key", TimeSpan.Zero));
        Assert.False(await redis.KeyExistsAsync("key"));
    }

    [Fact]
    public async Task Eval_Concurrent_CountsEachOnce()
    {
        await using var server = await RunningStateServer.StartAsync();
        await using var client = await server.ConnectAsync();
        await using var another = await server.ConnectAsync();
        var counted = await Task.WhenAll(Enumerable.Range(0, 200).Select(async i =>
        {
            var redis = (i % 2 == 0 ? client : another).GetDatabase();
            var answer = (RedisResult[])(await redis.ScriptEvaluateAsync(CountInWindow, ["window"], [60_000]))!;
            Assert.InRange((long)answer[1], 1, 60_000);
            return (int)answer[0];
        }));
        Assert.Equal(Enumerable.Range(1, 200), counted.Order());
    }

    [Fact]
    public async Task Publish_Subscriber_ReceivesMessage()
    {
        var ct = TestContext.Current.CancellationToken;
        await using var server = await RunningStateServer.StartAsync();
        await using var speaker = await server.ConnectAsync();
        await using var listener = await server.ConnectAsync();
        var arrived = new TaskCompletionSource<string?>(TaskCreationOptions.RunContinuationsAsynchronously);
        var channel = RedisChannel.Literal("drained");
        await listener.GetSubscriber().SubscribeAsync(channel, (_, message) => arrived.TrySetResult(message));
        await speaker.GetSubscriber().PublishAsync(channel, "gpu-1");
        Assert.Equal("gpu-1", await arrived.Task.WaitAsync(Patience, ct));
    }

    [Theory]
    [InlineData("wrong")]
    [InlineData("secre")]
    [InlineData(null)]
    public async Task Connect_WrongPassword_Refused(string? password)
    {
        await using var server = await RunningStateServer.StartAsync(new StateServerOptions(Password: "secret"));
        await Assert.ThrowsAsync<RedisConnectionException>(() => server.ConnectAsync(password));
        await using var client = await server.ConnectAsync("secret");
        Assert.True(await client.GetDatabase().PingAsync() > TimeSpan.Zero);
    }

    [Fact]
    public async Task Restart_WithDataFolder_DataRestored()
    {
        var folder = Directory.CreateTempSubdirectory("state-server-");
        try
        {
            var options = new StateServerOptions(Password: "secret", Data: folder.FullName);
            // Several rounds: the later starts also read the data of the earlier ones.
            for (var round = 1; round <= 3; round++)
            {
                await using var server = await RunningStateServer.StartAsync(options);
                await using var client = await server.ConnectAsync("secret");
                var redis = client.GetDatabase();
                Assert.Equal(round, await redis.StringIncrementAsync("starts"));
                if (round == 1)
                {
                    await redis.ScriptEvaluateAsync(CountInWindow, ["window"], [600_000]);
                    await redis.HashSetAsync("tenant", "tokens", 7);
                }
                Assert.Equal(7, await redis.HashGetAsync("tenant", "tokens"));
                Assert.InRange((await redis.KeyTimeToLiveAsync("window"))!.Value, TimeSpan.Zero, TimeSpan.FromMinutes(10));
            }
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task Start_PortInUse_OneErrorLine()
    {
        await using var server = await RunningStateServer.StartAsync();
        using var second = new GarnetService(server.Options, NullLoggerFactory.Instance);
        var error = await Assert.ThrowsAsync<StateServerException>(() => second.StartAsync(TestContext.Current.CancellationToken));
        Assert.Contains($"Port {server.Options.Port} ", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
    }

    [Fact]
    public async Task Start_DataFolderInUse_Error()
    {
        var folder = Directory.CreateTempSubdirectory("state-server-");
        try
        {
            var options = new StateServerOptions(Data: folder.FullName);
            await using var server = await RunningStateServer.StartAsync(options);
            var error = await Assert.ThrowsAsync<StateServerException>(() => RunningStateServer.StartAsync(options));
            Assert.Contains(folder.FullName, error.Message, StringComparison.Ordinal);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }
}

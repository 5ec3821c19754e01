using System.Net.Http.Json;
using System.Text.Json.Nodes;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Testing;
using StackExchange.Redis;

namespace OllamaBridge.Gateway.FunctionalTests.Admin;

/// <summary>Bridges with shared state have one audit log; without shared state each bridge keeps its own.</summary>
public sealed class SharedAuditTests
{
    private static readonly TimeSpan Patience = TestTimeouts.Guard;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(true)] // a stream
    [InlineData(false)] // Garnet: a list
    public async Task Audit_TwoBridges_BothReturnAllUpToLimit(bool isRedis)
    {
        await using var redis = isRedis ? await RunningRedis.StartAsync() : null;
        await using var garnet = isRedis ? null : await RunningStateServer.StartAsync();
        var port = redis?.Port ?? garnet!.Options.Port;
        await using var fleet = await TestFleet.StartAsync(1);
        await using var one = await StartAsync(fleet, port);
        await using var two = await StartAsync(fleet, port);
        for (var i = 0; i < 8; i++)
            await PutAsync(i % 2 == 0 ? one : two, $"t{i}");

        // The bridges write independently, so only the order of one bridge's entries is fixed, and its last entry is always kept.
        await Eventually.BecomesAsync(async () => await TargetsAsync(one) is { Count: 5 } targets && targets.Contains("t6") && targets.Contains("t7"), Patience);
        await Eventually.BecomesAsync(async () => (await TargetsAsync(two)).SequenceEqual(await TargetsAsync(one)), Patience);
        if (redis is null)
            return;
        await using var connection = await ConnectionMultiplexer.ConnectAsync($"127.0.0.1:{port}");
        Assert.Equal(5, await connection.GetDatabase().StreamLengthAsync("ollamabridge:{audit}:entries"));
    }

    [Fact]
    public async Task Audit_StateLostAndRestored_NoEntryLost()
    {
        await using var redis = await RunningRedis.StartAsync();
        await using var proxy = new RedisProxy { Target = redis.Port };
        await using var fleet = await TestFleet.StartAsync(1);
        await using var one = await TestBridge.StartAsync(fleet.Servers, ("ConnectionStrings:state", proxy.Address), ("Bridge:State:ProbeInterval", "00:00:00.1"));
        await using var two = await StartAsync(fleet, redis.Port);
        await Eventually.BecomesAsync(async () => (await one.GetJsonAsync("/health"))["checks"]!["state"]!.GetValue<string>().StartsWith("Healthy", StringComparison.Ordinal), Patience);
        proxy.Lose();
        await DrainAsync(one);
        using (var own = await one.Client.GetAsync("/bridge/audit", Token))
        {
            Assert.Equal("drain.start", (await own.Content.ReadFromJsonAsync<JsonArray>(Token))![0]!["action"]!.GetValue<string>());
            Assert.Equal("true", own.Headers.GetValues("X-Bridge-Partial").Single());
        }

        Assert.Empty(await TargetsAsync(two));
        proxy.Target = redis.Port;
        await Eventually.BecomesAsync(async () => (await TargetsAsync(two)).SequenceEqual(["sim-1"]), Patience);
    }

    private static Task<TestBridge> StartAsync(TestFleet fleet, int port) => TestBridge.StartAsync(
        fleet.Servers, ("ConnectionStrings:state", $"127.0.0.1:{port}"), ("Bridge:State:ProbeInterval", "00:00:00.1"), ("Bridge:Audit:Entries", "5"));

    private static async Task PutAsync(TestBridge bridge, string tenant)
    {
        using var answer = await bridge.Client.PutAsJsonAsync($"/bridge/tenants/{tenant}", new { weight = 2 }, Token);
        answer.EnsureSuccessStatusCode();
    }

    private static async Task DrainAsync(TestBridge bridge)
    {
        using var answer = await bridge.Client.PostAsync("/bridge/instances/sim-1/drain", null, Token);
        answer.EnsureSuccessStatusCode();
    }

    private static async Task<List<string>> TargetsAsync(TestBridge bridge) =>
        [.. (await bridge.GetJsonAsync("/bridge/audit")).AsArray().Select(e => e!["target"]!.GetValue<string>())];
}

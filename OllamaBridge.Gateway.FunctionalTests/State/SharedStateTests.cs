using System.Net;
using System.Net.Http.Json;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Simulator;
using OllamaBridge.StateServer;
using OllamaBridge.Testing;

namespace OllamaBridge.Gateway.FunctionalTests.State;

/// <summary>Several gateways with one shared state, and their behavior without it. Not parallel, because the tests measure time.</summary>
[Collection(nameof(Alone))]
public sealed class SharedStateTests
{
    private const string Secret = "a-canary-of-a-password";
    private static readonly TimeSpan Patience = TestTimeouts.Guard;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Chat_ThreeGatewaysOneFleet_SlotsRespectedAndAllSucceed()
    {
        await using var state = await RunningStateServer.StartAsync();
        await using var fleet = await TestFleet.StartAsync(
            2, SimulatorOptions.Instant with { ParallelSlots = 2, DecodePerToken = TimeSpan.FromMilliseconds(2) });
        var bridges = new List<TestBridge>();
        try
        {
            for (var n = 0; n < 3; n++)
                bridges.Add(await StartAsync(fleet, $"127.0.0.1:{state.Options.Port}"));
            await Eventually.BecomesAsync(
                () => fleet.Servers.Select((_, i) => bridges.Sum(b => b.Fleet.Current.Instances[i].Instance.Allowance)).All(sum => sum == 2), Patience);

            var answers = await Task.WhenAll(Enumerable.Range(0, 120).Select(i =>
                bridges[i % 3].PostAsync("/api/chat", Ask.Chat(stream: i % 2 == 0, text: $"{i}"), Token)));

            Assert.All(answers, a => Assert.Equal(HttpStatusCode.OK, a.StatusCode));
            Assert.InRange(fleet.Servers.Sum(s => s.Statistics.MaxConcurrentRequests), 2, 4 + 3);
        }
        finally
        {
            foreach (var bridge in bridges)
                await bridge.DisposeAsync();
        }
    }

    [Fact]
    public async Task Drain_AtOneGateway_AppliedByAllGateways()
    {
        await using var state = await RunningStateServer.StartAsync();
        await using var fleet = await TestFleet.StartAsync(2);
        await using var one = await StartAsync(fleet, $"127.0.0.1:{state.Options.Port}");
        await using var other = await StartAsync(fleet, $"127.0.0.1:{state.Options.Port}");

        using var answer = await one.Client.PostAsync("/bridge/instances/sim-2/drain", null, Token);

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        await other.UntilAsync(s => s.Instances[1].Draining, "the other gateway drains it");
        await using var late = await StartAsync(fleet, $"127.0.0.1:{state.Options.Port}");
        await late.UntilAsync(s => s.Instances[1].Draining, "a gateway that starts later drains it");
    }

    [Fact]
    public async Task CreateAndDelete_ThroughTwoGateways_OneWriterAtATime()
    {
        await using var state = await RunningStateServer.StartAsync();
        await using var fleet = await TestFleet.StartAsync(2);
        await using var one = await StartAsync(fleet, $"127.0.0.1:{state.Options.Port}");
        // The reverse order of names, so that each gateway would choose another instance for writes.
        await using var other = await StartAsync(
            fleet, $"127.0.0.1:{state.Options.Port}", ("Bridge:Instances:0:Name", "sim-2"), ("Bridge:Instances:1:Name", "sim-1"));
        await Task.WhenAll(Enumerable.Range(0, 8).Select(async i =>
        {
            var bridge = i % 2 == 0 ? one : other;
            using var create = await bridge.PostAsync("/api/create", new { model = $"made-{i}", from = TestFleet.Model, stream = i % 4 < 2 }, Token);
            Assert.Contains("success", await create.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
            using var delete = await bridge.Client.SendAsync(
                new HttpRequestMessage(HttpMethod.Delete, "/api/delete") { Content = new StringContent($$"""{"model":"made-{{i}}"}""") }, Token);
            Assert.Equal(HttpStatusCode.OK, delete.StatusCode);
        }));
        Assert.Equal(1, fleet.Store.MaxConcurrentWriters);
    }

    [Fact]
    public async Task Pull_ThroughTwoGateways_OneWriterAtATime()
    {
        await using var state = await RunningStateServer.StartAsync();
        await using var fleet = await TestFleet.StartAsync(2, SimulatorOptions.Instant with
        {
            ParallelSlots = 4,
            PullBytesPerSecond = 10_000_000_000,
            RemoteModels = [TestFleet.Plain("qwen3:4b"), TestFleet.Plain("llama3.2:3b")],
        });
        await using var one = await StartAsync(fleet, $"127.0.0.1:{state.Options.Port}");
        await using var other = await StartAsync(
            fleet, $"127.0.0.1:{state.Options.Port}", ("Bridge:Instances:0:Name", "sim-2"), ("Bridge:Instances:1:Name", "sim-1"));
        var pulls = await Task.WhenAll(
            one.PostAsync("/api/pull", new { model = "qwen3:4b" }, Token), other.PostAsync("/api/pull", new { model = "llama3.2:3b" }, Token));
        foreach (var pull in pulls)
            Assert.EndsWith("{\"status\":\"success\"}\n", await pull.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
        Assert.Equal(1, fleet.Store.MaxConcurrentWriters);
    }

    [Fact]
    public async Task Chat_ConversationThroughTwoGateways_SameInstance()
    {
        await using var fleet = await TestFleet.StartAsync(4);
        await using var one = await TestBridge.StartAsync(fleet.Servers);
        await using var other = await TestBridge.StartAsync(fleet.Servers);
        // The model is in every memory, so this does not affect the choice.
        foreach (var server in fleet.Servers)
            (await one.Client.PostAsJsonAsync(new Uri(server.Url, "/api/chat"), Ask.Chat(stream: false), Token)).Dispose();
        foreach (var bridge in new[] { one, other })
            await bridge.UntilAsync(s => s.Instances.All(i => i.Loaded.Length == 1), "the model is seen in every memory");
        var chosen = new HashSet<string>();
        for (var n = 0; n < 8; n++)
        {
            using var first = await one.PostAsync("/api/chat", Ask.Chat(stream: false, text: $"conversation {n}"), Token);
            using var second = await other.PostAsync("/api/chat", Ask.Chat(stream: false, text: $"conversation {n}"), Token);
            var instance = first.Headers.GetValues("X-Bridge-Instance").Single();
            Assert.Equal(instance, second.Headers.GetValues("X-Bridge-Instance").Single());
            chosen.Add(instance);
        }

        Assert.True(chosen.Count > 1);
    }

    [Fact]
    public async Task State_AppearsFailsAndRecovers_RequestsAlwaysServed()
    {
        await using var proxy = new RedisProxy();
        await using var fleet = await TestFleet.StartAsync(2);
        await using var bridge = await Task.Run(() => StartAsync(fleet, $"{proxy.Address},password={Secret}"), Token).WaitAsync(TestTimeouts.Guard, Token);
        await ServesAsync(bridge, "Degraded");

        await using var state = await RunningStateServer.StartAsync(new StateServerOptions { Password = Secret });
        proxy.Target = state.Options.Port;
        await HealthAsync(bridge, "Healthy");
        await ServesAsync(bridge, "Healthy");

        proxy.Lose();
        await HealthAsync(bridge, "Degraded");
        await ServesAsync(bridge, "Degraded");

        proxy.Delay = TimeSpan.FromMilliseconds(400);
        proxy.Target = state.Options.Port;
        await ServesAsync(bridge, "Degraded");

        proxy.Delay = TimeSpan.Zero;
        await HealthAsync(bridge, "Healthy"); // with the state from before the outage
        await ServesAsync(bridge, "Healthy");

        await using (var empty = await RunningStateServer.StartAsync(new StateServerOptions { Password = Secret }))
        {
            proxy.Lose(); // and starts with an empty store at another address
            proxy.Target = empty.Options.Port;
            await HealthAsync(bridge, "Healthy");
            await ServesAsync(bridge, "Healthy");
        }

        Assert.DoesNotContain(bridge.Logs.Lines, l => l.Contains(Secret, StringComparison.Ordinal));
        Assert.DoesNotContain(bridge.Logs.Lines, l => l.Contains(proxy.Address, StringComparison.Ordinal));
        Assert.Contains(bridge.Logs.Lines, l => l.StartsWith("Warning 1701", StringComparison.Ordinal));
        Assert.Contains(bridge.Logs.Lines, l => l.StartsWith("Information 1700", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("Bridge:State:ConnectionString", "127.0.0.1:1,nonsense=a-canary-of-a-password")]
    [InlineData("ConnectionStrings:state", "127.0.0.1:1,nonsense=a-canary-of-a-password")]
    public async Task Start_InvalidConnectionString_FailsWithoutRepeatingIt(string key, string value)
    {
        await using var fleet = await TestFleet.StartAsync(1);
        var e = await Assert.ThrowsAnyAsync<Exception>(() => TestBridge.StartAsync(fleet.Servers, (key, value)));
        Assert.Contains("Bridge:State:ConnectionString", e.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain(Secret, e.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Start_RedisTimeoutTooLong_Refused()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        var e = await Assert.ThrowsAnyAsync<Exception>(() => TestBridge.StartAsync(fleet.Servers, ("Bridge:State:OperationTimeout", "00:00:00.051")));
        Assert.Contains("Bridge:State:OperationTimeout", e.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Start_InconsistentTimes_AllReported()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        var e = await Assert.ThrowsAnyAsync<Exception>(() => TestBridge.StartAsync(
            fleet.Servers, ("Bridge:Sharing:Interval", "00:00:04"), ("Bridge:State:OperationTimeout", "00:01:00"), ("Bridge:State:ProbeInterval", "soon")));
        Assert.Contains("Bridge:Sharing:Timeout", e.ToString(), StringComparison.Ordinal);
        Assert.Contains("Bridge:State:", e.ToString(), StringComparison.Ordinal);
    }

    private static Task<TestBridge> StartAsync(TestFleet fleet, string connection, params (string, string)[] settings) => TestBridge.StartAsync(
        fleet.Servers,
        [("ConnectionStrings:state", connection), ("Bridge:State:ProbeInterval", "00:00:00.1"), .. settings]);

    private static async Task HealthAsync(TestBridge bridge, string expected)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(Token);
        patience.CancelAfter(Patience);
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        while ((await bridge.GetJsonAsync("/health"))["checks"]!["state"]!.GetValue<string>().Split(':')[0] != expected)
            await timer.WaitForNextTickAsync(patience.Token);
    }

    private static async Task ServesAsync(TestBridge bridge, string expected)
    {
        var answers = await Task.WhenAll(Enumerable.Range(0, 20).Select(i => bridge.PostAsync("/api/chat", Ask.Chat(stream: i % 2 == 0, text: $"{i}"), Token)));
        Assert.All(answers, a => Assert.Equal(HttpStatusCode.OK, a.StatusCode));
        using var health = await bridge.Client.GetAsync("/health", Token);
        Assert.Equal(HttpStatusCode.OK, health.StatusCode);
        if (expected == "Healthy")
            return; // a busy machine may miss 50 ms at any moment
        Assert.Contains("\"Degraded\"", await health.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
        var metric = (await bridge.Client.GetStringAsync("/metrics", Token)).Split('\n').Single(l => l.StartsWith("ollama_state_healthy", StringComparison.Ordinal));
        Assert.Equal("0", metric.Split(' ')[1]);
    }
}

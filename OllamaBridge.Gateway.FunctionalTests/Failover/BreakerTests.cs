using System.Net;
using System.Net.Http.Json;
using Microsoft.Extensions.Time.Testing;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Fleet.Breaker;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Simulator;
using OllamaBridge.Testing;

namespace OllamaBridge.Gateway.FunctionalTests.Failover;

/// <summary>Failing, frozen, slow and busy placements are excluded without errors for clients, and return gradually.</summary>
public sealed class BreakerTests
{
    private const string Other = "llama3:8b";

    // The time of a fake clock, so that a loaded machine makes these tests slower but doesn't change their results.
    private static readonly SimulatorOptions Paced = SimulatorOptions.Instant with
    {
        ParallelSlots = 4,
        MaxLoadedModels = 2,
        DecodePerToken = TimeSpan.FromMilliseconds(5),
        SeenCapacity = 10_000,
    };

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Chat_InstanceFailsFast_FewRequestsReachItAndClientsGetNoError()
    {
        await using var fleet = await TestFleet.StartAsync(4, Paced, TestFleet.Model, Other);
        await using var bridge = await StartWarmAsync(fleet, ("Bridge:Breaker:OpenTime", "00:01:00"));
        fleet[1].Faults.Add(new Fault { Kind = FaultKind.Status, Status = 500 });
        var before = fleet[1].Statistics.Requests;

        await Parallel.ForEachAsync(Enumerable.Range(0, 120), new ParallelOptions { MaxDegreeOfParallelism = 10, CancellationToken = Token }, async (i, ct) =>
        {
            using var answer = await bridge.PostAsync("/api/chat", Ask.Chat(stream: i % 2 == 0, text: $"{i}"), ct);
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            Assert.Contains("\"done\":true", await answer.Content.ReadAsStringAsync(ct), StringComparison.Ordinal);
        });

        // Five consecutive failures, and the requests that its other slots held at that moment.
        Assert.InRange(fleet[1].Statistics.Requests - before, 5, 8);
        Assert.Equal(PlacementCondition.Open, Condition(bridge, "sim-2"));
        Assert.Equal(InstanceStatus.Healthy, StatusOf(bridge, "sim-2")); // the instance's other model may work
    }

    [Fact]
    public async Task Chat_FailedModelRecovers_UsedAgainAfterOneProbe()
    {
        await using var fleet = await TestFleet.StartAsync(2, Paced, TestFleet.Model, Other);
        await using var bridge = await StartWarmAsync(fleet, ("Bridge:Breaker:OpenTime", "00:00:00.2"), ("Bridge:Breaker:MaxOpenTime", "00:00:00.4"));
        fleet[0].Faults.Add(new Fault { Kind = FaultKind.Status, Status = 500 });
        await UntilAsync(bridge, () => Placement(bridge, "sim-1").State.Guard is { WasRestricted: true });
        var before = fleet[0].Statistics.Requests;

        await UntilAsync(bridge, () => fleet[0].Statistics.Requests >= before + 3); // each probe that fails is answered by another instance
        fleet[0].Faults.Clear();

        await UntilAsync(bridge, () => Condition(bridge, "sim-1") is PlacementCondition.SlowStart or PlacementCondition.Steady);
        Assert.Contains(bridge.Logs.Lines, l => l.Contains(" 1050 ", StringComparison.Ordinal));
        Assert.Contains(bridge.Logs.Lines, l => l.Contains(" 1051 ", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Chat_FlappingInstance_OthersServeAndLoadReturnsGradually()
    {
        await using var fleet = await TestFleet.StartAsync(2, Paced with { DecodePerToken = TimeSpan.FromMilliseconds(30) }, TestFleet.Model, Other);
        await using var bridge = await StartWarmAsync(fleet, ("Bridge:Health:SlowStart", "01:00:00"));
        for (var flap = 0; flap < 3; flap++)
        {
            await fleet[0].KillAsync();
            await SucceedAsync(bridge);
            await bridge.UntilAsync(s => StatusOf(bridge, "sim-1") == InstanceStatus.Unhealthy, "the dead instance is out");
            await SucceedAsync(bridge);
            await fleet[0].RestartAsync(Token);
            await bridge.UntilAsync(s => StatusOf(bridge, "sim-1") == InstanceStatus.Healthy, "the restarted instance is back");
        }

        var before = fleet[0].Statistics.Requests;
        await Task.WhenAll(Enumerable.Range(0, 16).Select(i => SucceedAsync(bridge, text: $"{i}")));

        Assert.NotEqual(before, fleet[0].Statistics.Requests); // the instance is in use again
        Assert.Equal(1, fleet[0].Statistics.MaxConcurrentRequests); // one request at a time, although it has four slots
        Assert.Equal(4, fleet[1].Statistics.MaxConcurrentRequests);
    }

    [Fact]
    public async Task Chat_OnlyInstanceRecovered_AllSlotsUsed()
    {
        await using var fleet = await TestFleet.StartAsync(1, Paced with { DecodePerToken = TimeSpan.FromMilliseconds(50) });
        await using var bridge = await StartWarmAsync(fleet, ("Bridge:Health:SlowStart", "01:00:00"));
        await fleet[0].KillAsync();
        await bridge.UntilAsync(s => StatusOf(bridge, "sim-1") == InstanceStatus.Unhealthy, "the dead instance is out");
        await fleet[0].RestartAsync(Token);
        await bridge.UntilAsync(s => StatusOf(bridge, "sim-1") == InstanceStatus.Healthy, "the restarted instance is back");

        await Task.WhenAll(Enumerable.Range(0, 8).Select(i => SucceedAsync(bridge, text: $"{i}")));

        Assert.Equal(4, fleet[0].Statistics.MaxConcurrentRequests);
    }

    [Fact]
    public async Task Chat_RunnerFrozen_PlacementExcludedAfterTwoTimeoutsOtherModelUnaffected()
    {
        await using var fleet = await TestFleet.StartAsync(2, Paced, TestFleet.Model, Other);
        await using var bridge = await StartWarmAsync(
            fleet,
            ("Bridge:Breaker:OpenTime", "00:05:00"), ("Bridge:Breaker:MaxOpenTime", "00:05:00"), ("Bridge:Forwarding:WarmFirstByte", "00:00:01"));
        fleet[0].Faults.Add(new Fault { Kind = FaultKind.Frozen, Model = TestFleet.Model });
        var before = Asked(fleet[0], TestFleet.Model);

        await UntilAsync(bridge, () => Condition(bridge, "sim-1") == PlacementCondition.Open);
        for (var i = 0; i < 10; i++)
            await SucceedAsync(bridge, text: $"again {i}");

        Assert.Equal(2, Asked(fleet[0], TestFleet.Model) - before);
        Assert.Equal(InstanceStatus.Healthy, StatusOf(bridge, "sim-1"));
        await fleet[1].KillAsync();
        await bridge.UntilAsync(s => StatusOf(bridge, "sim-2") == InstanceStatus.Unhealthy, "the other instance is out");
        await SucceedAsync(bridge, Other);
    }

    [Fact]
    public async Task Chat_ModelMovedToCpu_AvoidedUntilBackOnGpuUnlessNoAlternative()
    {
        await using var fleet = await TestFleet.StartAsync(2, Paced, TestFleet.Model, Other);
        await using var bridge = await StartWarmAsync(fleet);
        fleet[0].Faults.Add(new Fault { Kind = FaultKind.OnCpu, Model = TestFleet.Model, Delay = TimeSpan.FromMilliseconds(1) });
        await bridge.UntilAsync(s => Condition(bridge, "sim-1") == PlacementCondition.OnCpu, "the slide is seen");

        var before = Asked(fleet[0], TestFleet.Model);
        await Task.WhenAll(Enumerable.Range(0, 12).Select(i => SucceedAsync(bridge, text: $"{i}")));
        Assert.Equal(before, Asked(fleet[0], TestFleet.Model));

        var reported = (await bridge.GetJsonAsync("/bridge/instances"))[0]!["conditions"]![0]!;
        Assert.Equal((TestFleet.Model, "oncpu"), (reported["model"]!.GetValue<string>(), reported["state"]!.GetValue<string>()));
        var metrics = await bridge.Client.GetStringAsync("/metrics", Token);
        // The endpoint also contains the series of bridges of concurrent tests.
        Assert.Contains(metrics.Split('\n'), l => l.StartsWith("ollama_placement_state", StringComparison.Ordinal)
            && l.Contains($"instance=\"sim-1\",model=\"{TestFleet.Model}\",state=\"oncpu\"", StringComparison.Ordinal)
            && l.EndsWith(" 1", StringComparison.Ordinal));

        await fleet[1].KillAsync();
        await SucceedAsync(bridge);
        Assert.NotEqual(before, Asked(fleet[0], TestFleet.Model));
        fleet[0].Faults.Clear();
        await bridge.UntilAsync(s => Condition(bridge, "sim-1") == PlacementCondition.Steady, "it is back");
        Assert.Null((await bridge.GetJsonAsync("/bridge/instances"))[0]!["conditions"]);
    }

    [Theory]
    [InlineData("/api/chat")]
    [InlineData("/v1/chat/completions")]
    public async Task Chat_ModelFarSlowerThanUsual_ExcludedUntilProbeIsFast(string path)
    {
        // The response is long enough to measure its speed, and the conversation stays on its instance.
        var store = new ModelStore([SimulatedModel.Named(TestFleet.Model) with { ThinkingTokens = 0, AnswerTokens = 17 }]);
        var options = Paced with { Store = store, DecodePerToken = TimeSpan.FromMilliseconds(7) };
        await using var one = await SimulatedServer.StartAsync(options, Token);
        await using var two = await SimulatedServer.StartAsync(options, Token);
        SimulatedServer[] servers = [one, two];
        await using var bridge = await StartWarmAsync(servers, ("Bridge:Breaker:SlowAnswers", "3"), ("Bridge:Breaker:SlowRatio", "0.4"), ("Bridge:Breaker:SlowProbeInterval", "00:00:00.5"));
        var first = "";
        for (var i = 0; i < 4; i++)
            first = await AskAsync();
        var slow = servers[int.Parse(first[4..], System.Globalization.CultureInfo.InvariantCulture) - 1];
        slow.Faults.Add(new Fault { Kind = FaultKind.SlowTokens, Delay = TimeSpan.FromMilliseconds(60) });

        using var guard = TestTimeouts.StartGuard();
        while (Condition(bridge, first) is not (PlacementCondition.Slow or PlacementCondition.SlowDue))
        {
            guard.Token.ThrowIfCancellationRequested();
            Assert.Equal(first, await AskAsync());
        }

        Assert.NotEqual(first, await AskAsync());
        slow.Faults.Clear();
        while (await AskAsync() != first || Condition(bridge, first) != PlacementCondition.Steady)
            guard.Token.ThrowIfCancellationRequested();

        async Task<string> AskAsync()
        {
            var body = path == "/api/chat" ? Ask.Chat(stream: true, tokens: 30) : Ask.OpenAI(stream: true, tokens: 30);
            using var answer = await bridge.PostAsync(path, body, Token);
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            return answer.Headers.GetValues("X-Bridge-Instance").Single();
        }
    }

    [Theory]
    [InlineData(503, 600)] // longer than the limit of the bridge, which is one minute
    [InlineData(503, 30)]
    [InlineData(429, 30)]
    public async Task Chat_BusyWithRetryAfter_OneAttemptThenOthersServe(int status, int seconds)
    {
        await using var fleet = await TestFleet.StartAsync(2, Paced, TestFleet.Model, Other);
        await using var bridge = await StartWarmAsync(fleet);
        fleet[0].Faults.Add(new Fault { Kind = FaultKind.Status, Status = status, RetryAfter = seconds });
        var before = fleet[0].Statistics.Requests;

        await UntilAsync(bridge, () => Condition(bridge, "sim-1") == PlacementCondition.Busy);
        for (var i = 0; i < 20; i++)
            await SucceedAsync(bridge, text: $"again {i}");

        Assert.Equal(1, fleet[0].Statistics.Requests - before);
        Assert.Equal(InstanceStatus.Healthy, StatusOf(bridge, "sim-1"));
    }

    [Fact]
    public async Task Chat_OnlyInstanceBusy_RetryAfterReturnedAndNextRequestWaits()
    {
        var clock = new FakeTimeProvider();
        await using var fleet = await TestFleet.StartAsync(1, Paced);
        await LoadAsync(fleet.Servers);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers, clock);
        fleet[0].Faults.Add(new Fault { Kind = FaultKind.Status, Status = 503, RetryAfter = 2, Times = 1 });
        var before = fleet[0].Statistics.Requests;

        using var refused = await bridge.PostAsync("/api/chat", Ask.Chat(stream: false), Token);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
        Assert.Equal(TimeSpan.FromSeconds(2), refused.Headers.RetryAfter?.Delta);
        var waiting = Task.WhenAll(Enumerable.Range(0, 3).Select(_ => SucceedAsync(bridge)));
        await Eventually.BecomesAsync(() => bridge.Fleet.Current.Models[TestFleet.Model].State.Waiting > 0, TestTimeouts.Guard);
        clock.Advance(TimeSpan.FromSeconds(1.9));
        Assert.False(waiting.IsCompleted);
        // The bridge adds up to a tenth, so that not all clients return at once.
        clock.Advance(TimeSpan.FromSeconds(0.4));

        await waiting.WaitAsync(TestTimeouts.Guard, Token);
        Assert.Equal(4, fleet[0].Statistics.Requests - before);
    }

    [Fact]
    public async Task Chat_BusyWithoutRetryAfter_BacksOff()
    {
        await using var fleet = await TestFleet.StartAsync(2, Paced, TestFleet.Model, Other);
        await using var bridge = await StartWarmAsync(fleet, ("Bridge:Breaker:BusyTime", "00:01:00"));
        fleet[0].Faults.Add(new Fault { Kind = FaultKind.Status, Status = 503 });
        var before = fleet[0].Statistics.Requests;

        await UntilAsync(bridge, () => Condition(bridge, "sim-1") == PlacementCondition.Busy);
        for (var i = 0; i < 20; i++)
            await SucceedAsync(bridge, text: $"again {i}");

        Assert.Equal(1, fleet[0].Statistics.Requests - before);
    }

    [Fact]
    public async Task Generate_ClientErrors_BreakerStaysClosed()
    {
        await using var fleet = await TestFleet.StartAsync(1, Paced);
        await using var bridge = await StartWarmAsync(fleet);
        for (var i = 0; i < 20; i++)
        {
            using var answer = await bridge.PostAsync(
                "/api/generate", new { model = TestFleet.Model, prompt = "x", stream = false, options = new { num_predict = "six" } }, Token);
            Assert.Equal(HttpStatusCode.InternalServerError, answer.StatusCode);
        }

        Assert.Equal(PlacementCondition.Steady, Condition(bridge, "sim-1"));
    }

    private static Task<TestBridge> StartWarmAsync(TestFleet fleet, params (string Key, string Value)[] settings) => StartWarmAsync(fleet.Servers, settings);

    /// <summary>Starts a bridge in front of servers that loaded all models before the bridge sent them any request.</summary>
    private static async Task<TestBridge> StartWarmAsync(IReadOnlyList<SimulatedServer> servers, params (string Key, string Value)[] settings)
    {
        await LoadAsync(servers);
        return await TestBridge.StartAsync(servers, settings);
    }

    private static async Task LoadAsync(IReadOnlyList<SimulatedServer> servers)
    {
        using var client = new HttpClient(new SocketsHttpHandler { UseProxy = false });
        foreach (var server in servers)
            foreach (var model in new[] { TestFleet.Model, Other }.Where(m => server.Store.Get(m) is not null))
            {
                using var answer = await client.PostAsJsonAsync(new Uri(server.Url, "/api/generate"), new { model, stream = false }, Token);
                Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            }
    }

    private static async Task SucceedAsync(TestBridge bridge, string model = TestFleet.Model, string text = "Why is the sky blue?")
    {
        using var answer = await bridge.PostAsync("/api/chat", Ask.Chat(model, stream: true, text: text), Token);
        var body = await answer.Content.ReadAsStringAsync(Token);
        Assert.True(answer.StatusCode == HttpStatusCode.OK, body);
        Assert.Contains("\"done\":true", body, StringComparison.Ordinal);
    }

    /// <summary>Sends requests of new conversations until a condition holds, and fails if a client gets an error.</summary>
    private static async Task UntilAsync(TestBridge bridge, Func<bool> condition)
    {
        using var guard = TestTimeouts.StartGuard();
        for (var i = 0; !condition(); i++)
        {
            guard.Token.ThrowIfCancellationRequested();
            await SucceedAsync(bridge, text: $"until {i}");
        }
    }

    private static long Asked(SimulatedServer server, string model) =>
        server.Statistics.Seen.Count(s => s.Path.StartsWith("/api/chat", StringComparison.Ordinal) && System.Text.Encoding.UTF8.GetString(s.Body.Span).Contains(model, StringComparison.Ordinal));

    private static ModelPlacement Placement(TestBridge bridge, string instance) =>
        bridge.Fleet.Current.Models[TestFleet.Model].Placements.Single(p => p.Instance.Name == instance);

    private static PlacementCondition Condition(TestBridge bridge, string instance) =>
        Placement(bridge, instance).State.Guard?.ConditionAt(TimeProvider.System.GetTimestamp()) ?? PlacementCondition.Steady;

    private static InstanceStatus StatusOf(TestBridge bridge, string instance) =>
        bridge.Fleet.Current.Instances.Single(i => i.Instance.Name == instance).Status;
}

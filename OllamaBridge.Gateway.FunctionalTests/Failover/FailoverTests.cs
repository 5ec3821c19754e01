using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Simulator;
using OllamaBridge.Testing;

namespace OllamaBridge.Gateway.FunctionalTests.Failover;

/// <summary>Failures before the first byte cause a failover; later failures end the response with an error.</summary>
public sealed class FailoverTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(FaultKind.ResetBeforeHeaders, 0)]
    [InlineData(FaultKind.Status, 500)]
    [InlineData(FaultKind.Status, 502)]
    [InlineData(FaultKind.Status, 503)]
    [InlineData(FaultKind.Die, 0)]
    public async Task Chat_InstanceFailsBeforeFirstByte_FailsOver(FaultKind kind, int status)
    {
        await using var fleet = await TestFleet.StartAsync(2);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        var first = await FirstChoiceAsync(bridge, fleet);
        first.Faults.Add(new Fault { Kind = kind, Status = status, Times = 1 });

        foreach (var stream in new[] { false, true })
        {
            using var answer = await bridge.PostAsync("/api/chat", Ask.Chat(stream: stream), Token);
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            Assert.Contains("\"done\":true", await answer.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
        }

        // A reset of a kept connection may mean that it was stale, so the same instance gets the request over a new one.
        Assert.Equal(kind != FaultKind.ResetBeforeHeaders, fleet.Servers.Any(s => s != first && s.Statistics.Requests > 0));
    }

    [Fact]
    public async Task Chat_InstanceRefusesConnections_FailsOverAndProbeRestoresIt()
    {
        await using var fleet = await TestFleet.StartAsync(2);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers, ("Bridge:Health:Interval", "00:05:00"));
        var first = await FirstChoiceAsync(bridge, fleet);
        await first.KillAsync();

        using var answer = await bridge.PostAsync("/api/chat", Ask.Chat(stream: false), Token);

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        var name = $"sim-{fleet.Servers.ToList().IndexOf(first) + 1}";
        await bridge.UntilAsync(s => StatusOf(s, name) == InstanceStatus.Unhealthy, "the dead instance is out");
        await first.RestartAsync(Token);
        await bridge.UntilAsync(s => StatusOf(s, name) == InstanceStatus.Healthy, "the restarted instance is back");
    }

    [Theory]
    [InlineData(FaultKind.Status, HttpStatusCode.InternalServerError)]
    [InlineData(FaultKind.Die, HttpStatusCode.OK)]
    public async Task Chat_NoRetryLeft_OnlyUnreachedInstanceReplaced(FaultKind kind, HttpStatusCode expected)
    {
        await using var fleet = await TestFleet.StartAsync(2);
        await using var bridge = await TestBridge.StartAsync(
            fleet.Servers, ("Bridge:Health:Interval", "00:05:00"), ("Bridge:Forwarding:RetryBurst", "0"), ("Bridge:Forwarding:RetryRatio", "0"));
        var first = await FirstChoiceAsync(bridge, fleet);
        if (kind == FaultKind.Die)
            await first.KillAsync();
        else
            first.Faults.Add(new Fault { Kind = kind, Status = 500, Times = 1 });

        using var answer = await bridge.PostAsync("/api/chat", Ask.Chat(stream: false), Token);

        Assert.Equal(expected, answer.StatusCode);
    }

    [Fact]
    public async Task Chat_OnlyInstanceRestarts_RequestWaitsForIt()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        await fleet[0].KillAsync();

        var pending = bridge.PostAsync("/api/chat", Ask.Chat(stream: false), Token);
        await bridge.UntilAsync(s => s.Instances[0].Status == InstanceStatus.Unhealthy, "the dead instance is out");
        await fleet[0].RestartAsync(Token);

        using var answer = await pending;
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
    }

    [Fact]
    public async Task Chat_OnlyInstanceStaysDead_503WithRetryAfterInClientsProtocol()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers, ("Bridge:Queue:MaxWaitWithoutInstance", "00:00:00.3"));
        await fleet[0].KillAsync();
        await bridge.UntilAsync(s => s.Instances[0].Status == InstanceStatus.Unhealthy, "the dead instance is out");

        using var native = await bridge.PostAsync("/api/chat", Ask.Chat(), Token);
        using var openAi = await bridge.PostAsync("/v1/chat/completions", Ask.OpenAI(), Token);
        using var anthropic = await bridge.PostAsync("/v1/messages", Ask.Anthropic(), Token);

        foreach (var answer in new[] { native, openAi, anthropic })
        {
            Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
            Assert.NotNull(answer.Headers.RetryAfter);
        }

        Assert.NotNull((await ReadAsync(native))["error"]!.GetValue<string>());
        Assert.Equal("api_error", (await ReadAsync(openAi))["error"]!["type"]!.GetValue<string>());
        Assert.Equal("overloaded_error", (await ReadAsync(anthropic))["error"]!["type"]!.GetValue<string>());
    }

    [Fact]
    public async Task Chat_AllInstancesFail_FirstErrorPassedOn()
    {
        await using var fleet = await TestFleet.StartAsync(2);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        foreach (var server in fleet.Servers)
            server.Faults.Add(new Fault { Kind = FaultKind.Status, Status = 500, Message = "the runner is out of sorts" });

        using var answer = await bridge.PostAsync("/api/chat", Ask.Chat(stream: false), Token);

        Assert.Equal(HttpStatusCode.InternalServerError, answer.StatusCode);
        Assert.Contains("out of sorts", await answer.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
        Assert.Equal(2, fleet.Sum(s => s.Requests));
    }

    [Fact]
    public async Task Generate_RequestCauses500_TwoAttemptsThenOneWithoutEjection()
    {
        await using var fleet = await TestFleet.StartAsync(3);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);

        for (var i = 0; i < 10; i++)
        {
            using var answer = await bridge.PostAsync(
                "/api/generate", new { model = TestFleet.Model, prompt = "x", stream = false, options = new { num_predict = "six" } }, Token);
            Assert.Equal(HttpStatusCode.InternalServerError, answer.StatusCode);
        }

        Assert.Equal(11, fleet.Sum(s => s.Requests));
        Assert.All(bridge.Fleet.Current.Instances, i => Assert.Equal(InstanceStatus.Healthy, i.Status));
    }

    [Fact]
    public async Task Chat_StaleCatalog_FailsOverToInstanceWithModel()
    {
        await using var one = await TestFleet.StartAsync(1, null, "llama3:8b");
        await using var two = await TestFleet.StartAsync(1, null, "llama3:8b");
        // Two model folders, and probes so rare that the bridge can't observe the change.
        await using var bridge = await TestBridge.StartAsync(
            [one[0], two[0]], ("Bridge:Health:Interval", "00:05:00"), ("Bridge:Health:CatalogInterval", "00:30:00"));
        var first = await FirstChoiceAsync(bridge, "llama3:8b") == "sim-1" ? one : two;
        first.Store.Remove("llama3:8b");

        var name = first == one ? "sim-1" : "sim-2";
        // Until a request has met the stale instance; every one of them gets its response.
        var asked = 0;
        await Eventually.BecomesAsync(
            async () =>
            {
                using var answer = await bridge.PostAsync("/api/chat", Ask.Chat("llama3:8b", text: $"Question {asked++}?", stream: false), Token);
                Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
                return bridge.Fleet.Current.Instances.Single(i => i.Instance.Name == name).Catalog.IsEmpty;
            },
            TimeSpan.FromSeconds(30));
    }

    [Fact]
    public async Task Chat_FrozenRunner_TimesOutAndFailsOver()
    {
        await using var fleet = await TestFleet.StartAsync(2);
        await using var bridge = await TestBridge.StartAsync(
            fleet.Servers, ("Bridge:Forwarding:WarmFirstByte", "00:00:00.5"), ("Bridge:Forwarding:ColdFirstByte", "00:00:00.5"));
        var first = await FirstChoiceAsync(bridge, fleet);
        first.Faults.Add(new Fault { Kind = FaultKind.Frozen });

        using var answer = await bridge.PostAsync("/api/chat", Ask.Chat(stream: true), Token);

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Contains("\"done\":true", await answer.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Chat_EveryRunnerFrozen_504()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(
            fleet.Servers, ("Bridge:Forwarding:WarmFirstByte", "00:00:00.3"), ("Bridge:Forwarding:ColdFirstByte", "00:00:00.3"));
        fleet[0].Faults.Add(new Fault { Kind = FaultKind.Frozen });

        using var answer = await bridge.PostAsync("/api/chat", Ask.Chat(stream: true), Token);

        Assert.Equal(HttpStatusCode.GatewayTimeout, answer.StatusCode);
    }

    [Fact]
    public async Task Chat_ColdModel_GetsLongerTimeout()
    {
        await using var fleet = await TestFleet.StartAsync(1, SimulatorOptions.Instant with { LoadTime = TimeSpan.FromSeconds(1) });
        await using var bridge = await TestBridge.StartAsync(fleet.Servers, ("Bridge:Forwarding:WarmFirstByte", "00:00:00.4"));

        using var answer = await bridge.PostAsync("/api/chat", Ask.Chat(stream: true), Token);

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal(1, fleet[0].Statistics.Loads);
    }

    [Fact]
    public async Task Chat_InstanceFailsManyRequests_EjectedDespiteSuccessfulProbes()
    {
        await using var fleet = await TestFleet.StartAsync(2);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers, ("Bridge:Health:EjectionTime", "00:00:30"));
        var first = await FirstChoiceAsync(bridge, fleet);
        first.Faults.Add(new Fault { Kind = FaultKind.Status, Status = 500 });
        var name = $"sim-{fleet.Servers.ToList().IndexOf(first) + 1}";

        for (var i = 0; i < 12; i++)
        {
            using var answer = await bridge.PostAsync("/api/chat", Ask.Chat(stream: false, text: $"{i}"), Token);
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        }

        await bridge.UntilAsync(s => StatusOf(s, name) == InstanceStatus.Ejected, "the failing instance is out");
    }

    private static InstanceStatus StatusOf(FleetSnapshot snapshot, string name) => snapshot.Instances.Single(i => i.Instance.Name == name).Status;

    private static async Task<JsonNode> ReadAsync(HttpResponseMessage answer) => (await answer.Content.ReadFromJsonAsync<JsonNode>(Token))!;

    private static async Task<string> FirstChoiceAsync(TestBridge bridge, string model)
    {
        using var answer = await bridge.PostAsync("/api/chat", Ask.Chat(model, stream: false), Token);
        return answer.Headers.GetValues("X-Bridge-Instance").Single();
    }

    /// <summary>The server that has the model in memory, which gets the next request.</summary>
    private static async Task<SimulatedServer> FirstChoiceAsync(TestBridge bridge, TestFleet fleet)
    {
        var name = await FirstChoiceAsync(bridge, TestFleet.Model);
        return fleet[int.Parse(name["sim-".Length..], System.Globalization.CultureInfo.InvariantCulture) - 1];
    }
}

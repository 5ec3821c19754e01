using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Simulator;
using OllamaBridge.Testing;
using OllamaBridge.Testing.Streams;

namespace OllamaBridge.Gateway.FunctionalTests.Failover;

/// <summary>A request with a late first token is also sent to a second instance, and the client gets exactly one response. Not parallel: measures time.</summary>
[Collection(nameof(Alone))]
public sealed class HedgingTests
{
    private const int Tokens = 12;
    private static readonly TimeSpan Patience = TestTimeouts.Guard;
    private static readonly TimeSpan Forever = TimeSpan.FromMinutes(5);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("/api/chat")]
    [InlineData("/api/generate")]
    [InlineData("/v1/chat/completions")]
    [InlineData("/v1/completions")]
    [InlineData("/v1/messages")]
    public async Task Stream_FirstTokenLate_SecondInstanceServesAndFirstIsCancelled(string path)
    {
        await using var fleet = await StartFleetAsync();
        await using var bridge = await StartAsync(fleet, path);
        var whole = await AskAsync(bridge, path);
        var before = await bridge.GetJsonAsync("/bridge/usage");
        fleet[whole.Instance].Faults.Add(new Fault { Kind = FaultKind.SlowFirstToken, Delay = Forever, Times = 1 });

        var answer = await AskAsync(bridge, path);

        Assert.Equal(whole.Answer, answer.Answer);
        Assert.Equal(1 - whole.Instance, answer.Instance);
        await Eventually.BecomesAsync(() => fleet[whole.Instance].Statistics.ConcurrentRequests == 0, TimeSpan.FromSeconds(1));
        Assert.Equal(1, fleet[whole.Instance].Statistics.Cancelled);
        var record = (await bridge.GetJsonAsync("/bridge/ledger?limit=1"))[0]!;
        Assert.Equal(("succeeded", 2), (record["outcome"]!.GetValue<string>(), record["attempts"]!.GetValue<int>()));
        Assert.Equal(Tokens, record["outputTokens"]!.GetValue<int>());
        // One request is recorded and charged once.
        var after = await bridge.GetJsonAsync("/bridge/usage");
        Assert.Equal(before["total"]!["requests"]!.GetValue<int>() + 1, after["total"]!["requests"]!.GetValue<int>());
        Assert.Equal(before["total"]!["outputTokens"]!.GetValue<int>() + Tokens, after["total"]!["outputTokens"]!.GetValue<int>());
        // No failure was counted, and no slot is lost.
        Assert.All(bridge.Fleet.Current.Instances, i => Assert.True(i is { IsUsable: true, Instance.SlotsUsed: 0 }));
        Assert.DoesNotContain(bridge.Logs.Lines, l => l.StartsWith("Warning 12", StringComparison.Ordinal));
        Assert.Contains("outcome=\"won\"", await MetricAsync(bridge), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Unstreamed_Late_CompleteResponseFromSecondInstance()
    {
        await using var fleet = await StartFleetAsync();
        await using var bridge = await StartAsync(fleet, "/api/chat", stream: false);
        var (whole, first) = await AskWholeAsync(bridge);
        fleet[first].Faults.Add(new Fault { Kind = FaultKind.SlowFirstToken, Delay = Forever, Times = 1 });

        var (answer, instance) = await AskWholeAsync(bridge);

        Assert.Equal(whole, answer);
        Assert.Equal(1 - first, instance);
        await Eventually.BecomesAsync(() => fleet[first].Statistics.ConcurrentRequests == 0, TimeSpan.FromSeconds(1));
        Assert.Equal(2, await AttemptsAsync(bridge));
    }

    [Theory]
    [InlineData("off")]
    [InlineData("full")]
    [InlineData("cold")]
    [InlineData("unknown")]
    [InlineData("share")]
    public async Task Stream_LateButNotHedgeable_Waits(string why)
    {
        await using var fleet = await StartFleetAsync(slots: why == "full" ? 1 : 4);
        (string, string)[] settings = why switch
        {
            "off" => [("Bridge:Hedging:Enabled", "false")],
            "unknown" => [("Bridge:Hedging:MinSamples", "100")],
            "share" => [("Bridge:Hedging:MaxShare", "0.001")],
            _ => [],
        };
        await using var bridge = await StartAsync(fleet, "/api/chat", warm: why == "cold" ? 1 : 2, settings: settings);
        var whole = await AskAsync(bridge, "/api/chat");
        using var other = why == "full" ? await HoldAsync(fleet, bridge, 1 - whole.Instance) : null;
        fleet[whole.Instance].Faults.Add(new Fault { Kind = FaultKind.SlowFirstToken, Delay = TimeSpan.FromSeconds(1), Times = 1 });

        var answer = await AskAsync(bridge, "/api/chat");

        Assert.Equal(whole, answer);
        Assert.Equal(1, await AttemptsAsync(bridge));
    }

    [Fact]
    public async Task Stream_SecondFails_FirstServes()
    {
        await using var fleet = await StartFleetAsync();
        await using var bridge = await StartAsync(fleet, "/api/chat");
        var whole = await AskAsync(bridge, "/api/chat");
        fleet[whole.Instance].Faults.Add(new Fault { Kind = FaultKind.SlowFirstToken, Delay = TimeSpan.FromSeconds(1.5), Times = 1 });
        fleet[1 - whole.Instance].Faults.Add(new Fault { Kind = FaultKind.Status, Status = 500, Times = 1 });

        Assert.Equal(whole, await AskAsync(bridge, "/api/chat"));

        Assert.Equal(2, await AttemptsAsync(bridge));
        Assert.Empty(fleet[1 - whole.Instance].Faults.Faults);
        Assert.Contains("outcome=\"lost\"", await MetricAsync(bridge), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Stream_FirstFailsDuringHedge_SecondServes()
    {
        await using var fleet = await StartFleetAsync();
        await using var bridge = await StartAsync(fleet, "/api/chat");
        var whole = await AskAsync(bridge, "/api/chat");
        fleet[whole.Instance].Faults.Add(new Fault { Kind = FaultKind.SlowFirstToken, Delay = Forever, Times = 1 });
        fleet[1 - whole.Instance].Faults.Add(new Fault { Kind = FaultKind.SlowFirstToken, Delay = TimeSpan.FromSeconds(1.5), Times = 1 });
        var asked = AskAsync(bridge, "/api/chat");
        await Eventually.BecomesAsync(() => fleet.Servers.All(s => s.Statistics.ConcurrentRequests == 1), Patience);

        await fleet[whole.Instance].KillAsync();

        Assert.Equal(whole.Answer, (await asked).Answer);
        await Eventually.BecomesAsync(() => bridge.Fleet.Current.Instances.All(i => i.Instance.SlotsUsed == 0), Patience);
    }

    [Fact]
    public async Task Stream_BothFail_ThirdServes()
    {
        await using var fleet = await StartFleetAsync(count: 3);
        await using var bridge = await StartAsync(fleet, "/api/chat");
        var whole = await AskAsync(bridge, "/api/chat");
        fleet[whole.Instance].Faults.Add(new Fault { Kind = FaultKind.SlowFirstToken, Delay = Forever, Times = 1 });
        // Each of the other instances stalls until it is killed.
        foreach (var server in fleet.Servers.Where((_, i) => i != whole.Instance))
            server.Faults.Add(new Fault { Kind = FaultKind.SlowFirstToken, Delay = Forever, Times = 1 });
        var asked = AskAsync(bridge, "/api/chat");
        await Eventually.BecomesAsync(() => fleet.Sum(s => s.ConcurrentRequests) == 2, Patience);
        var third = fleet.Servers.Single(s => s.Statistics.ConcurrentRequests == 0);
        third.Faults.Clear();

        foreach (var server in fleet.Servers.Where(s => s != third).ToArray())
            await server.KillAsync();

        var answer = await asked;
        Assert.Equal(whole.Answer, answer.Answer);
        Assert.Same(third, fleet[answer.Instance]);
        Assert.Equal(3, await AttemptsAsync(bridge));
    }

    [Fact]
    public async Task Stream_BothRespondTogether_ExactlyOneResponse()
    {
        await using var fleet = await StartFleetAsync();
        await using var bridge = await StartAsync(fleet, "/v1/chat/completions");
        var whole = await AskAsync(bridge, "/v1/chat/completions");
        for (var n = 0; n < 15; n++)
        {
            // Both first tokens arrive at about the same time, because the second attempt starts after the hedging delay.
            fleet[whole.Instance].Faults.Add(new Fault { Kind = FaultKind.SlowFirstToken, Delay = TimeSpan.FromMilliseconds(300 + (4 * (n - 7))), Times = 1 });
            fleet[1 - whole.Instance].Faults.Add(new Fault { Kind = FaultKind.SlowFirstToken, Delay = TimeSpan.FromMilliseconds(150), Times = 1 });
            var answer = await AskAsync(bridge, "/v1/chat/completions");
            Assert.Equal(whole.Answer, answer.Answer);
            foreach (var server in fleet.Servers)
                server.Faults.Clear();
        }

        await Eventually.BecomesAsync(() => fleet.Sum(s => s.ConcurrentRequests) == 0, Patience);
        Assert.All(bridge.Fleet.Current.Instances, i => Assert.True(i is { IsUsable: true, Instance.SlotsUsed: 0 }));
    }

    [Fact]
    public async Task Stream_ClientDisconnects_BothCancelled()
    {
        await using var fleet = await StartFleetAsync();
        await using var bridge = await StartAsync(fleet, "/api/chat");
        foreach (var server in fleet.Servers)
            server.Faults.Add(new Fault { Kind = FaultKind.SlowFirstToken, Delay = Forever, Times = 1 });
        using var gone = CancellationTokenSource.CreateLinkedTokenSource(Token);
        var asked = bridge.PostAsync("/api/chat", Body("/api/chat"), gone.Token);
        await Eventually.BecomesAsync(() => fleet.Servers.All(s => s.Statistics.ConcurrentRequests == 1), Patience);

        await gone.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => asked);
        await Eventually.BecomesAsync(() => fleet.Sum(s => s.ConcurrentRequests) == 0, Patience);
        await Eventually.BecomesAsync(() => bridge.Fleet.Current.Instances.All(i => i.Instance.SlotsUsed == 0), Patience);
        await Eventually.BecomesAsync(
            async () => (await bridge.GetJsonAsync("/bridge/ledger?limit=1"))[0]!["outcome"]!.GetValue<string>() == "cancelled", Patience);
    }

    [Fact]
    public async Task Stream_SecondInterruptedLater_ResumedOnFirst()
    {
        await using var fleet = await StartFleetAsync();
        await using var bridge = await StartAsync(fleet, "/api/chat");
        var whole = await AskAsync(bridge, "/api/chat");
        fleet[whole.Instance].Faults.Add(new Fault { Kind = FaultKind.SlowFirstToken, Delay = Forever, Times = 1 });
        fleet[1 - whole.Instance].Faults.Add(new Fault { Kind = FaultKind.CutAfterTokens, AfterTokens = 4, Times = 1 });

        Assert.Equal(whole.Answer, (await AskAsync(bridge, "/api/chat")).Answer);
        Assert.Equal(3, await AttemptsAsync(bridge));
    }

    [Fact]
    public async Task Stream_WithHeartbeats_StartsOnceAndCompletes()
    {
        await using var fleet = await StartFleetAsync();
        await using var bridge = await StartAsync(fleet, "/v1/chat/completions", settings: [("Bridge:Queue:ProgressInterval", "00:00:00.05")]);
        var whole = await AskAsync(bridge, "/v1/chat/completions");
        fleet[whole.Instance].Faults.Add(new Fault { Kind = FaultKind.SlowFirstToken, Delay = Forever, Times = 1 });
        fleet[1 - whole.Instance].Faults.Add(new Fault { Kind = FaultKind.SlowFirstToken, Delay = TimeSpan.FromSeconds(0.5), Times = 1 });
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/chat/completions") { Content = JsonContent.Create(Body("/v1/chat/completions")) };
        request.Headers.Add("X-Bridge-Progress", "1");

        using var answer = await bridge.Client.SendAsync(request, Token);

        var text = await answer.Content.ReadAsStringAsync(Token);
        Assert.StartsWith(": waiting", text, StringComparison.Ordinal);
        Assert.Equal(whole.Answer, StreamedAnswer.Parse("/v1/chat/completions", text));
    }

    [Fact]
    public async Task Stream_ClientError_ServersErrorImmediately()
    {
        await using var fleet = await StartFleetAsync();
        await using var bridge = await StartAsync(fleet, "/api/chat");
        foreach (var server in fleet.Servers)
            server.Faults.Add(new Fault { Kind = FaultKind.Status, Status = 400, Message = "no such thing" });

        using var answer = await bridge.PostAsync("/api/chat", Body("/api/chat"), Token);

        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Contains("no such thing", await answer.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
        Assert.Equal(1, await AttemptsAsync(bridge));
    }

    [Fact]
    public async Task Stream_AllFail_ServersError()
    {
        await using var fleet = await StartFleetAsync();
        await using var bridge = await StartAsync(fleet, "/api/chat");
        foreach (var server in fleet.Servers)
            server.Faults.Add(new Fault { Kind = FaultKind.Status, Status = 500, Message = "broken within" });

        using var answer = await bridge.PostAsync("/api/chat", Body("/api/chat"), Token);

        Assert.Equal(HttpStatusCode.InternalServerError, answer.StatusCode);
        Assert.Contains("broken within", await answer.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
    }

    /// <summary>Holds the only slot of an instance with a request that does not end.</summary>
    private static async Task<IDisposable> HoldAsync(TestFleet fleet, TestBridge bridge, int instance)
    {
        fleet[instance].Faults.Add(new Fault { Kind = FaultKind.Stall, AfterTokens = 1, Times = 1 });
        await bridge.Fleet.SetDrainingAsync($"sim-{2 - instance}", true, Token);
        var body = Body("/api/chat");
        body["messages"] = new[] { new { role = "user", content = "Something else" } };
        var answer = await bridge.OpenAsync("/api/chat", body, Token);
        Assert.Equal($"sim-{instance + 1}", answer.Headers.GetValues("X-Bridge-Instance").Single());
        await bridge.Fleet.SetDrainingAsync($"sim-{2 - instance}", false, Token);
        return answer;
    }

    private static async Task<int> AttemptsAsync(TestBridge bridge) => (await bridge.GetJsonAsync("/bridge/ledger?limit=1"))[0]!["attempts"]!.GetValue<int>();

    private static async Task<(string Text, int Instance)> AskWholeAsync(TestBridge bridge)
    {
        var body = Body("/api/chat");
        body["stream"] = false;
        using var answer = await bridge.PostAsync("/api/chat", body, Token);
        var json = JsonNode.Parse(await answer.Content.ReadAsStringAsync(Token))!;
        return (json["message"]!.ToJsonString() + json["eval_count"], InstanceOf(answer));
    }

    private static async Task<(StreamedAnswer Answer, int Instance)> AskAsync(TestBridge bridge, string path)
    {
        using var answer = await bridge.PostAsync(path, Body(path), Token);
        var text = await answer.Content.ReadAsStringAsync(Token);
        Assert.True(answer.StatusCode == HttpStatusCode.OK, text);
        return (StreamedAnswer.Parse(path, text), InstanceOf(answer));
    }

    private static int InstanceOf(HttpResponseMessage answer) => int.Parse(answer.Headers.GetValues("X-Bridge-Instance").Single()["sim-".Length..]) - 1;

    private static Dictionary<string, object> Body(string path)
    {
        var body = new Dictionary<string, object> { ["model"] = TestFleet.Model, ["stream"] = true };
        if (path is "/api/generate" or "/v1/completions")
            body["prompt"] = "Why is the sky blue?";
        else
            body["messages"] = new[] { new { role = "user", content = "Why is the sky blue?" } };
        if (path.StartsWith("/api/", StringComparison.Ordinal))
            body["options"] = new { seed = 7 };
        else if (path == "/v1/messages")
            body["max_tokens"] = 500;
        else
            (body["seed"], body["stream_options"]) = (7, new { include_usage = true });
        return body;
    }

    private static async Task<TestFleet> StartFleetAsync(int count = 2, int slots = 4)
    {
        var fleet = await TestFleet.StartAsync(count, SimulatorOptions.Instant with { ParallelSlots = slots }, TestFleet.Model);
        fleet.Store.Remove(TestFleet.Model);
        fleet.Store.Add(new SimulatedModel { Name = TestFleet.Model, AnswerTokens = Tokens });
        return fleet;
    }

    /// <summary>Starts a bridge that has observed the model in memory and the usual time to the first token.</summary>
    private static async Task<TestBridge> StartAsync(
        TestFleet fleet, string path, bool stream = true, int? warm = null, params (string, string)[] settings)
    {
        var bridge = await TestBridge.StartAsync(
            fleet.Servers,
            [
                ("Bridge:Hedging:Enabled", "true"), ("Bridge:Hedging:MaxShare", "1"), ("Bridge:Hedging:MinSamples", "5"),
                ("Bridge:Hedging:MinWait", "00:00:00.15"), .. settings,
            ]);
        var count = warm ?? fleet.Servers.Count;
        foreach (var server in fleet.Servers.Take(count))
            (await bridge.Client.PostAsJsonAsync(new Uri(server.Url, "/api/chat"), new { model = TestFleet.Model, messages = Array.Empty<object>() }, Token)).Dispose();
        await bridge.UntilAsync(s => s.Instances.Count(i => i.Loaded.Length == 1) == count, "the model is seen in memory");
        for (var i = 0; i < 6; i++)
            if (stream)
                await AskAsync(bridge, path);
            else
                await AskWholeAsync(bridge);
        return bridge;
    }

    private static async Task<string> MetricAsync(TestBridge bridge) => string.Join(
        '\n', (await bridge.Client.GetStringAsync("/metrics", Token)).Split('\n').Where(l => l.StartsWith("ollama_hedges_total", StringComparison.Ordinal)));
}

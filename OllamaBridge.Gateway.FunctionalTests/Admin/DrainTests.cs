using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Simulator;
using OllamaBridge.Testing;
using OllamaBridge.Testing.Repository;
using OllamaBridge.Testing.Streams;

namespace OllamaBridge.Gateway.FunctionalTests.Admin;

/// <summary>A drain with a deadline loses no response, even if the instance is killed afterwards. Not parallel, because the tests measure time.</summary>
[Collection(nameof(Alone))]
public sealed class DrainTests
{
    private const int Tokens = 120;
    private static readonly TimeSpan Pace = TimeSpan.FromMilliseconds(25);
    private static readonly TimeSpan Patience = TestTimeouts.Guard;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Drain_InstanceKilledAtDeadline_AllStreamsComplete()
    {
        await using var fleet = await StartFleetAsync(slots: 12);
        // A single failure would eject the instance.
        await using var bridge = await StartAsync(fleet, ("Bridge:Health:RequestFailuresToEject", "1"));
        var wholes = await Task.WhenAll(Enumerable.Range(0, 10).Select(n => AskAsync(bridge, n)));

        var streams = await Task.WhenAll(Enumerable.Range(0, 10).Select(n => OpenAsync(bridge, n)));
        var unstreamed = Enumerable.Range(0, 6).Select(n => AskUnstreamedAsync(bridge, n)).ToArray();
        await Eventually.BecomesAsync(() => Used(bridge) == 16, Patience);
        var doomed = streams.GroupBy(s => s.Instance).MaxBy(g => g.Count())!.Key;

        var report = await DrainAsync(bridge, doomed, "deadline=1&wait=true");

        Assert.Equal((true, 0), (report["draining"]!.GetValue<bool>(), report["running"]!.GetValue<int>()));
        Assert.NotNull(report["drainDeadline"]);
        // No failure was counted, and no request is left on the instance.
        Assert.Equal("healthy", report["state"]!.GetValue<string>());
        await Eventually.BecomesAsync(() => fleet[doomed].Statistics.ConcurrentRequests == 0, Patience);
        await fleet[doomed].KillAsync();

        for (var n = 0; n < streams.Length; n++)
            Assert.Equal(wholes[n].Answer, await streams[n].ReadAsync());
        Assert.All(await Task.WhenAll(unstreamed), text => Assert.Equal(Tokens, JsonNode.Parse(text)!["eval_count"]!.GetValue<int>()));
        var ledger = (await bridge.GetJsonAsync("/bridge/ledger?limit=16")).AsArray();
        Assert.All(ledger, r => Assert.Equal("succeeded", r!["outcome"]!.GetValue<string>()));
        // Each stream of the drained instance was moved exactly once, only because of the drain.
        Assert.Equal(streams.Count(s => s.Instance == doomed), ledger.Count(r => r!["interruptions"] is not null));
        Assert.All(ledger, r => Assert.True(r!["interruptions"] is null || r["interruptions"]!.ToJsonString() == "[\"drained\"]", r.ToJsonString()));
        Assert.Contains(ledger, r => r!["interruptions"] is null && r["attempts"]!.GetValue<int>() == 2); // not streamed
        Assert.DoesNotContain(bridge.Logs.Lines, l => l.StartsWith("Warning 12", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Drain_NoFreeSlot_MovedAheadOfQueueAtDeadline()
    {
        await using var fleet = await StartFleetAsync(slots: 2);
        await using var bridge = await StartAsync(fleet);
        var wholes = await Task.WhenAll(Enumerable.Range(0, 4).Select(n => AskAsync(bridge, n)));
        var streams = await Task.WhenAll(Enumerable.Range(0, 4).Select(n => OpenAsync(bridge, n)));
        var later = Enumerable.Range(4, 3).Select(n => AskAsync(bridge, n)).ToArray();
        await Eventually.BecomesAsync(() => bridge.Queue.Count == 3, Patience);
        var doomed = streams[0].Instance;

        var report = await DrainAsync(bridge, doomed, "deadline=0.7&wait=true");

        Assert.Equal(0, report["running"]!.GetValue<int>());
        await fleet[doomed].KillAsync();
        for (var n = 0; n < streams.Length; n++)
            Assert.Equal(wholes[n].Answer, await streams[n].ReadAsync());
        Assert.All(await Task.WhenAll(later), a => Assert.Equal(1, a.Answer.Ends));
        var ended = (await bridge.GetJsonAsync("/bridge/ledger?limit=7")).AsArray().Reverse().ToArray();
        // The moved streams took precedence over the waiting requests.
        Assert.Equal(2, ended[..4].Count(r => r!["interruptions"] is not null));
    }

    [Theory]
    [InlineData("logprobs")]
    [InlineData("header")]
    [InlineData("tools")]
    [InlineData("alone")]
    public async Task Drain_StreamNotResumable_RunsToItsEnd(string why)
    {
        await using var fleet = await StartFleetAsync(slots: 4);
        await using var bridge = await StartAsync(fleet);
        var body = Body(0);
        if (why == "logprobs")
            body["logprobs"] = true;
        if (why == "tools")
            body["tools"] = new[] { new { type = "function", function = new { name = "f", parameters = new { type = "object" } } } };
        var whole = await AskAsync(bridge, 0, body);
        using var stream = await OpenAsync(bridge, 0, body, why == "header" ? "off" : null);
        if (why == "alone")
            await DrainAsync(bridge, 1 - stream.Instance, "");

        var report = await DrainAsync(bridge, stream.Instance, "deadline=0.3&wait=true");

        // The drain waits for it, but not longer than the deadline and the time of a move.
        Assert.Equal(1, report["running"]!.GetValue<int>());
        Assert.Equal(whole.Answer, await stream.ReadAsync());
        var record = (await bridge.GetJsonAsync("/bridge/ledger?limit=1"))[0]!;
        Assert.Equal((1, null), (record["attempts"]!.GetValue<int>(), record["interruptions"]));
    }

    [Fact]
    public async Task Undrain_BeforeDeadline_NoStreamMoved()
    {
        await using var fleet = await StartFleetAsync(slots: 4);
        await using var bridge = await StartAsync(fleet);
        using var stream = await OpenAsync(bridge, 0);
        // The remaining time exceeds the lead, so no stream moves before the drain is cancelled.
        await DrainAsync(bridge, stream.Instance, "deadline=2.9");
        using (var undrain = await bridge.Client.PostAsync($"/bridge/instances/sim-{stream.Instance + 1}/undrain", null, Token))
        {
            var report = JsonNode.Parse(await undrain.Content.ReadAsStringAsync(Token))!;
            Assert.Equal((false, null), (report["draining"]!.GetValue<bool>(), report["drainDeadline"]));
        }

        Assert.Equal(1, (await stream.ReadAsync()).Ends);
        Assert.Equal(1, (await bridge.GetJsonAsync("/bridge/ledger?limit=1"))[0]!["attempts"]!.GetValue<int>());
    }

    [Fact]
    public async Task Drain_InstanceAlreadyEmpty_ReportedImmediately()
    {
        await using var fleet = await StartFleetAsync(slots: 4);
        await using var bridge = await StartAsync(fleet);
        using var stream = await OpenAsync(bridge, 0);
        var draining = DrainAsync(bridge, stream.Instance, "deadline=600&wait=true");
        Assert.Equal(1, (await stream.ReadAsync()).Ends);
        Assert.Equal(0, (await draining.WaitAsync(Patience, Token))["running"]!.GetValue<int>());
    }

    [Fact]
    public async Task Drain_AtOneGateway_MovesStreamsOfOtherGateway()
    {
        await using var state = await RunningStateServer.StartAsync();
        await using var fleet = await StartFleetAsync(slots: 8);
        (string, string)[] shared = [("ConnectionStrings:state", $"127.0.0.1:{state.Options.Port}"), ("Bridge:State:ProbeInterval", "00:00:00.1")];
        await using var one = await StartAsync(fleet, shared);
        await using var other = await StartAsync(fleet, shared);
        await Eventually.BecomesAsync(() => fleet.Servers.Select((_, i) =>
            new[] { one, other }.Sum(b => (long)b.Fleet.Current.Instances[i].Instance.Allowance)).All(sum => sum == 8), Patience);
        var wholes = await Task.WhenAll(Enumerable.Range(0, 4).Select(n => AskAsync(other, n)));
        var streams = await Task.WhenAll(Enumerable.Range(0, 4).Select(n => OpenAsync(other, n)));
        var doomed = streams[0].Instance;
        await Eventually.BecomesAsync(() => one.Fleet.Current.Instances[doomed].Instance.UsedElsewhere > 0, Patience);

        var report = await DrainAsync(one, doomed, "deadline=1&wait=true");

        Assert.Equal(0, report["running"]!.GetValue<int>());
        Assert.NotNull(other.Fleet.Current.Instances[doomed].DrainDeadline);
        await fleet[doomed].KillAsync();
        for (var n = 0; n < streams.Length; n++)
            Assert.Equal(wholes[n].Answer, await streams[n].ReadAsync());
    }

    [Theory]
    [InlineData("deadline=soon", "deadline")]
    [InlineData("deadline=-1", "deadline")]
    [InlineData("deadline=1&wait=perhaps", "wait")]
    [InlineData("wait=true", "deadline")]
    public async Task Drain_InvalidDeadline_400ProblemWithoutDrain(string query, string word)
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        using var answer = await bridge.Client.PostAsync($"/bridge/instances/sim-1/drain?{query}", null, Token);
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Equal("application/problem+json", answer.Content.Headers.ContentType!.MediaType);
        Assert.Contains(word, await answer.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
        Assert.False(bridge.Fleet.Current.Instances[0].Draining);
    }

    [Fact]
    public async Task Drain_DocumentedPreStopHook_WorksWithBashOnly()
    {
        await using var fleet = await StartFleetAsync(slots: 4);
        await using var bridge = await StartAsync(fleet);
        var line = RepositoryFiles.Read("docs/operations/drain.md").Split('\n').Single(l => l.Contains("/dev/tcp/", StringComparison.Ordinal)).Trim();
        var script = line.Replace("/bridge/11401", $"/127.0.0.1/{bridge.Url.Port}", StringComparison.Ordinal).Replace("deadline=25", "deadline=1", StringComparison.Ordinal)
            .Replace("Host: bridge", "Host: localhost", StringComparison.Ordinal);
        var start = new System.Diagnostics.ProcessStartInfo("bash", ["-c", script]) { RedirectStandardOutput = true };
        (start.Environment["POD_NAME"], start.Environment["BRIDGE_KEY"]) = ("sim-1", "none");
        using var bash = System.Diagnostics.Process.Start(start)!;
        var said = await bash.StandardOutput.ReadToEndAsync(Token).WaitAsync(Patience, Token);
        Assert.StartsWith("HTTP/1.1 200", said, StringComparison.Ordinal);
        Assert.True(bridge.Fleet.Current.Instances[0].Draining);
    }

    private static int Used(TestBridge bridge) => bridge.Fleet.Current.Instances.Sum(i => i.Instance.SlotsUsed);

    private static async Task<JsonNode> DrainAsync(TestBridge bridge, int instance, string query)
    {
        using var answer = await bridge.Client.PostAsync($"/bridge/instances/sim-{instance + 1}/drain?{query}", null, Token);
        var text = await answer.Content.ReadAsStringAsync(Token);
        Assert.True(answer.StatusCode == HttpStatusCode.OK, text);
        return JsonNode.Parse(text)!;
    }

    private static async Task<string> AskUnstreamedAsync(TestBridge bridge, int n)
    {
        var body = new { model = TestFleet.Model, messages = new[] { new { role = "user", content = $"Why at all, number {n}?" } }, stream = false };
        using var answer = await bridge.PostAsync("/api/chat", body, Token);
        var text = await answer.Content.ReadAsStringAsync(Token);
        Assert.True(answer.StatusCode == HttpStatusCode.OK, text);
        return text;
    }

    private static async Task<(StreamedAnswer Answer, int Instance)> AskAsync(TestBridge bridge, int n, Dictionary<string, object>? body = null)
    {
        using var stream = await OpenAsync(bridge, n, body);
        return (await stream.ReadAsync(), stream.Instance);
    }

    private static async Task<OpenStream> OpenAsync(TestBridge bridge, int n, Dictionary<string, object>? body = null, string? continuation = null)
    {
        var path = body is null ? PathOf(n) : "/api/chat";
        var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = JsonContent.Create(body ?? Body(n)) };
        if (continuation is not null)
            request.Headers.Add("X-Bridge-Continuation", continuation);
        var answer = await bridge.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Token);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        return new OpenStream(path, answer);
    }

    private static string PathOf(int n) => FaultFixture.Paths[n % 3 == 0 ? 0 : n % FaultFixture.Paths.Length];

    private static Dictionary<string, object> Body(int n)
    {
        var path = PathOf(n);
        var question = $"Why is the sky blue, number {n}?";
        var body = new Dictionary<string, object> { ["model"] = TestFleet.Model, ["stream"] = true };
        if (path is "/api/generate" or "/v1/completions")
            body["prompt"] = question;
        else
            body["messages"] = new[] { new { role = "user", content = question } };
        if (path.StartsWith("/api/", StringComparison.Ordinal))
            body["options"] = new { seed = n };
        else if (path == "/v1/messages")
            body["max_tokens"] = 500;
        else
            (body["seed"], body["stream_options"]) = (n, new { include_usage = true });
        return body;
    }

    private static async Task<TestFleet> StartFleetAsync(int slots)
    {
        var fleet = await TestFleet.StartAsync(2, SimulatorOptions.Instant with { ParallelSlots = slots, DecodePerToken = Pace }, TestFleet.Model);
        fleet.Store.Remove(TestFleet.Model);
        fleet.Store.Add(new SimulatedModel
        {
            Name = TestFleet.Model,
            AnswerTokens = Tokens,
            Capabilities = [ModelCapability.Completion, ModelCapability.Tools],
        });
        return fleet;
    }

    private static async Task<TestBridge> StartAsync(TestFleet fleet, params (string, string)[] settings)
    {
        var bridge = await TestBridge.StartAsync(fleet.Servers, settings);
        foreach (var server in fleet.Servers)
            (await bridge.Client.PostAsJsonAsync(new Uri(server.Url, "/api/chat"), new { model = TestFleet.Model, messages = Array.Empty<object>() }, Token)).Dispose();
        await bridge.UntilAsync(s => s.Instances.All(i => i.Loaded.Length == 1), "the model is seen in every memory");
        return bridge;
    }

    private sealed class OpenStream(string path, HttpResponseMessage answer) : IDisposable
    {
        public int Instance { get; } = int.Parse(answer.Headers.GetValues("X-Bridge-Instance").Single()["sim-".Length..]) - 1;

        public async Task<StreamedAnswer> ReadAsync()
        {
            using (answer)
                return StreamedAnswer.Parse(path, await answer.Content.ReadAsStringAsync(Token));
        }

        public void Dispose() => answer.Dispose();
    }
}

using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Simulator;
using OllamaBridge.Testing;

namespace OllamaBridge.Gateway.FunctionalTests.Queueing;

/// <summary>A client that opts in gets heartbeats while its stream waits, in a form that its protocol ignores.</summary>
public sealed class HeartbeatTests
{
    private const string Header = "X-Bridge-Progress";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public static TheoryData<string> Streams => ["/api/chat", "/api/generate", "/v1/chat/completions", "/v1/completions", "/v1/messages"];

    [Theory]
    [MemberData(nameof(Streams))]
    public async Task Wait_Requested_PositionThenCompleteResponse(string path)
    {
        await using var fleet = await TestFleet.StartAsync(1, SimulatorOptions.Instant with { ParallelSlots = 1 });
        await using var bridge = await StartAsync(fleet);
        var plain = await AskAsync(bridge, path, wish: null);
        using var busy = await OccupyAsync(fleet, bridge);

        using var answer = await OpenAsync(bridge, path, "1");
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        using var reader = new StreamReader(await answer.Content.ReadAsStreamAsync(Token));
        var first = await reader.ReadLineAsync(Token);
        if (path.StartsWith("/api/", StringComparison.Ordinal))
        {
            var line = JsonNode.Parse(first!)!;
            Assert.False(line["done"]!.GetValue<bool>());
            Assert.Equal("", (line["response"] ?? line["message"]!["content"])!.GetValue<string>());
            Assert.Equal(TestFleet.Model, line["model"]!.GetValue<string>());
            Assert.Equal(1, line["bridge"]!["position"]!.GetValue<int>());
        }
        else
        {
            Assert.StartsWith(": waiting position=1", first, StringComparison.Ordinal);
        }

        busy.Dispose();
        var rest = await reader.ReadToEndAsync(Token);
        Assert.Equal(Text(plain), Text(rest));
        Assert.Contains(path.StartsWith("/api/", StringComparison.Ordinal) ? "\"done\":true" : path == "/v1/messages" ? "message_stop" : "[DONE]", rest, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("0")]
    public async Task Wait_NotRequested_OnlyResponse(string? wish)
    {
        await using var fleet = await TestFleet.StartAsync(1, SimulatorOptions.Instant with { ParallelSlots = 1 });
        await using var bridge = await StartAsync(fleet);
        using var busy = await OccupyAsync(fleet, bridge);
        var asked = AskAsync(bridge, "/v1/chat/completions", wish);
        await Eventually.BecomesAsync(() => bridge.Queue.Count == 1, TimeSpan.FromSeconds(20));
        // Heartbeats on another stream prove that a heartbeat interval has passed.
        using var other = await OpenAsync(bridge, "/v1/chat/completions", "1");
        busy.Dispose();

        Assert.StartsWith("data: ", await asked, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/api/chat", "{\"error\":")]
    [InlineData("/v1/chat/completions", "data: {\"error\":")]
    [InlineData("/v1/messages", "data: {\"type\":\"error\"")]
    public async Task Wait_TimesOut_ErrorInClientsProtocol(string path, string error)
    {
        await using var fleet = await TestFleet.StartAsync(1, SimulatorOptions.Instant with { ParallelSlots = 1 });
        await using var bridge = await StartAsync(fleet, ("Bridge:Queue:MaxWait", "00:00:00.5"));
        using var busy = await OccupyAsync(fleet, bridge);

        using var answer = await OpenAsync(bridge, path, "1");
        var lines = (await answer.Content.ReadAsStringAsync(Token)).TrimEnd('\n').Split('\n');

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.StartsWith(error, lines[^1], StringComparison.Ordinal);
        Assert.Contains("no slot came free in time", lines[^1], StringComparison.Ordinal);
        var ledger = await bridge.GetJsonAsync("/bridge/ledger");
        Assert.Equal("failed", ledger[0]!["outcome"]!.GetValue<string>());
    }

    [Fact]
    public async Task Wait_SilentInstance_FailsOverAfterHeartbeats()
    {
        await using var fleet = await TestFleet.StartAsync(2);
        await using var bridge = await StartAsync(
            fleet, ("Bridge:Forwarding:WarmFirstByte", "00:00:00.5"), ("Bridge:Forwarding:ColdFirstByte", "00:00:00.5"));
        // The model is in every memory, so conversations are spread.
        foreach (var server in fleet.Servers)
            (await bridge.Client.PostAsJsonAsync(new Uri(server.Url, "/api/chat"), Ask.Chat(stream: false), Token)).Dispose();
        await bridge.UntilAsync(s => s.Instances.All(i => i.Loaded.Length == 1), "the model is seen in both memories");
        fleet[0].Faults.Add(new Fault { Kind = FaultKind.Hang });
        for (var n = 0; n < 16; n++)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "/api/chat") { Content = JsonContent.Create(Ask.Chat(text: $"{n}")), Headers = { { Header, "1" } } };
            using var answer = await bridge.Client.SendAsync(request, Token);
            var lines = (await answer.Content.ReadAsStringAsync(Token)).TrimEnd('\n').Split('\n');
            Assert.True(JsonNode.Parse(lines[^1])!["done"]!.GetValue<bool>());
            if (JsonNode.Parse(lines[0])!["bridge"] is JsonObject { Count: 0 })
                return;
        }

        Assert.Fail("the silent instance got no request");
    }

    [Fact]
    public async Task Wait_RequestedWithoutStream_OrdinaryResponse()
    {
        await using var fleet = await TestFleet.StartAsync(1, SimulatorOptions.Instant with { ParallelSlots = 1 });
        await using var bridge = await StartAsync(fleet, ("Bridge:Queue:MaxWait", "00:00:00.3"));
        using var busy = await OccupyAsync(fleet, bridge);
        using var request = new HttpRequestMessage(HttpMethod.Post, "/api/chat") { Content = JsonContent.Create(Ask.Chat(stream: false)), Headers = { { Header, "1" } } };
        using var answer = await bridge.Client.SendAsync(request, Token);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
        Assert.True(answer.Headers.Contains("Retry-After"));
    }

    private static Task<TestBridge> StartAsync(TestFleet fleet, params (string, string)[] settings) =>
        TestBridge.StartAsync(fleet.Servers, [("Bridge:Queue:ProgressInterval", "00:00:00.05"), .. settings]);

    /// <summary>Holds the only slot until it is disposed.</summary>
    private static async Task<HttpResponseMessage> OccupyAsync(TestFleet fleet, TestBridge bridge)
    {
        fleet[0].Faults.Add(new Fault { Kind = FaultKind.Stall, AfterTokens = 1, Times = 1 });
        return await bridge.OpenAsync("/api/chat", Ask.Chat(), Token);
    }

    private static Task<HttpResponseMessage> OpenAsync(TestBridge bridge, string path, string? wish)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = JsonContent.Create(Body(path)) };
        if (wish is not null)
            request.Headers.Add(Header, wish);
        return bridge.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Token);
    }

    private static async Task<string> AskAsync(TestBridge bridge, string path, string? wish)
    {
        using var answer = await OpenAsync(bridge, path, wish);
        return await answer.Content.ReadAsStringAsync(Token);
    }

    private static object Body(string path) => path switch
    {
        "/api/chat" => Ask.Chat(),
        "/api/generate" => new { model = TestFleet.Model, prompt = "Why?", options = new { num_predict = 6, seed = 1 } },
        "/v1/chat/completions" => Ask.OpenAI(stream: true),
        "/v1/completions" => new { model = TestFleet.Model, prompt = "Why?", max_tokens = 6, stream = true, seed = 1 },
        _ => Ask.Anthropic(stream: true),
    };

    /// <summary>All text of a stream, without heartbeats and frames.</summary>
    private static string Text(string stream) => string.Concat(stream.Split('\n')
        .Select(l => l.StartsWith("data: ", StringComparison.Ordinal) ? l[6..] : l)
        .Where(l => l.StartsWith('{'))
        .Select(l => JsonNode.Parse(l)!)
        .Select(n => n["response"] ?? n["message"]?["content"] ?? n["choices"]?[0]?["delta"]?["content"] ?? n["choices"]?[0]?["text"] ?? n["delta"]?["text"])
        .OfType<JsonValue>().Select(v => v.GetValue<string>()));
}

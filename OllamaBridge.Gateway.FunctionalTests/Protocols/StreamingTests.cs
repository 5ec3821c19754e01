using System.Net;
using System.Text.Json.Nodes;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Simulator;
using OllamaBridge.Testing;

namespace OllamaBridge.Gateway.FunctionalTests.Protocols;

/// <summary>Streams are passed on without delay, end with an error if they are incomplete, and are cancelled immediately.</summary>
public sealed class StreamingTests
{
    // Resumption is off; with it another instance would resume an interrupted stream: see ContinuationTests.
    private static readonly (string, string) NotGoneOnWith = ("Bridge:Continuation:Enabled", "false");

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("/api/chat")]
    [InlineData("/v1/chat/completions")]
    [InlineData("/v1/messages")]
    public async Task Stream_InstancePausesAfterTwoTokens_TokensNotBuffered(string path)
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        fleet[0].Faults.Add(new Fault { Kind = FaultKind.Stall, AfterTokens = 2 });

        using var answer = await bridge.OpenAsync(path, Body(path), Token);
        using var reader = new StreamReader(await answer.Content.ReadAsStreamAsync(Token));
        var tokens = 0;
        while (tokens < 2)
            if (IsToken((await reader.ReadLineAsync(Token))!))
                tokens++;

        // The instance stalls for ever, so the received part was passed on without waiting for more.
        Assert.Equal(1, fleet[0].Statistics.ConcurrentRequests);
    }

    [Theory]
    [InlineData("/api/chat", FaultKind.CutAfterTokens)]
    [InlineData("/api/generate", FaultKind.Die)]
    [InlineData("/v1/chat/completions", FaultKind.CutAfterTokens)]
    [InlineData("/v1/chat/completions", FaultKind.ErrorLine)]
    [InlineData("/v1/completions", FaultKind.CutAfterTokens)]
    [InlineData("/v1/messages", FaultKind.CutAfterTokens)]
    [InlineData("/v1/messages", FaultKind.ErrorLine)]
    [InlineData("/v1/responses", FaultKind.CutAfterTokens)]
    public async Task Stream_InterruptedAfterThreeTokens_ErrorInClientsProtocol(string path, FaultKind kind)
    {
        await using var fleet = await TestFleet.StartAsync(2);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers, NotGoneOnWith);
        foreach (var server in fleet.Servers)
            server.Faults.Add(new Fault { Kind = kind, AfterTokens = 3 });

        using var answer = await bridge.PostAsync(path, Body(path), Token);
        var text = await answer.Content.ReadAsStringAsync(Token);

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.DoesNotContain("\"done\":true", text, StringComparison.Ordinal);
        Assert.DoesNotContain("[DONE]", text, StringComparison.Ordinal);
        Assert.DoesNotContain("message_stop", text, StringComparison.Ordinal);
        Assert.DoesNotContain("response.completed", text, StringComparison.Ordinal);
        var last = text.TrimEnd('\n').Split('\n')[^1];
        var error = JsonNode.Parse(last.StartsWith("data: ", StringComparison.Ordinal) ? last[6..] : last)!;
        Assert.True(error["error"] is not null || error["type"]?.GetValue<string>() == "error", last);
        // No other attempt after the first byte.
        Assert.Equal(1, fleet.Sum(s => s.Requests));
    }

    [Fact]
    public async Task Stream_InstancesErrorLine_PassedOnUnchanged()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers, NotGoneOnWith);
        fleet[0].Faults.Add(new Fault { Kind = FaultKind.ErrorLine, AfterTokens = 3 });

        using var answer = await bridge.PostAsync("/api/chat", Ask.Chat(), Token);
        var lines = (await answer.Content.ReadAsStringAsync(Token)).TrimEnd('\n').Split('\n');

        Assert.Equal(4, lines.Length);
        Assert.Equal("""{"error":"an error was encountered while running the model: unexpected EOF"}""", lines[^1]);
    }

    [Fact]
    public async Task Stream_StallsBeyondTimeout_Error()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(
            fleet.Servers, NotGoneOnWith, ("Bridge:Forwarding:WarmFirstByte", "00:00:00.4"), ("Bridge:Forwarding:ColdFirstByte", "00:00:00.4"));
        fleet[0].Faults.Add(new Fault { Kind = FaultKind.Stall, AfterTokens = 2 });

        using var answer = await bridge.PostAsync("/api/chat", Ask.Chat(), Token);
        var lines = (await answer.Content.ReadAsStringAsync(Token)).TrimEnd('\n').Split('\n');

        Assert.Equal(3, lines.Length);
        Assert.Contains("stalled", JsonNode.Parse(lines[^1])!["error"]!.GetValue<string>(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Stream_ClientDisconnects_UpstreamCancelledAndSlotReturned()
    {
        await using var fleet = await TestFleet.StartAsync(1, SimulatorOptions.Instant with { DecodePerToken = TimeSpan.FromMilliseconds(20) });
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        var hangUp = new CancellationTokenSource();

        var answer = await bridge.OpenAsync("/api/chat", Ask.Chat(tokens: 100_000), hangUp.Token);
        await using (var stream = await answer.Content.ReadAsStreamAsync(Token))
            Assert.NotEqual(0, await stream.ReadAsync(new byte[100], Token));
        answer.Dispose();

        await Eventually.BecomesAsync(() => fleet[0].Statistics.Cancelled == 1, TimeSpan.FromSeconds(1));
        await Eventually.BecomesAsync(() => bridge.Fleet.Current.Instances[0].Instance.SlotsUsed == 0, TimeSpan.FromSeconds(1));
    }

    [Fact]
    public async Task NonStreamed_BodyCut_FailsOver()
    {
        await using var fleet = await TestFleet.StartAsync(2);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        foreach (var server in fleet.Servers)
            server.Faults.Add(new Fault { Kind = FaultKind.Die, AfterTokens = 3, Times = 1 });
        fleet[1].Faults.Clear();

        for (var i = 0; i < 4; i++)
        {
            using var answer = await bridge.PostAsync("/api/chat", Ask.Chat(stream: false, text: $"{i}"), Token);
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        }
    }

    private static object Body(string path) => path switch
    {
        "/api/chat" => Ask.Chat(),
        "/api/generate" => new { model = TestFleet.Model, prompt = "Why?", options = new { num_predict = 6 } },
        "/v1/chat/completions" => Ask.OpenAI(stream: true),
        "/v1/completions" => new { model = TestFleet.Model, prompt = "Why?", max_tokens = 6, stream = true },
        "/v1/responses" => new { model = TestFleet.Model, input = "Why?", max_output_tokens = 6, stream = true },
        _ => Ask.Anthropic(stream: true),
    };

    private static bool IsToken(string line) =>
        line.StartsWith("{\"model\"", StringComparison.Ordinal)
        || line.StartsWith("data: {\"id\"", StringComparison.Ordinal)
        || line.Contains("text_delta", StringComparison.Ordinal);
}

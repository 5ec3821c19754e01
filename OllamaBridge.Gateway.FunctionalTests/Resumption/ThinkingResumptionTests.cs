using System.Text.Json.Nodes;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Simulator;
using OllamaBridge.Testing.Streams;
using static OllamaBridge.Gateway.FunctionalTests.Fixtures.FaultFixture;

namespace OllamaBridge.Gateway.FunctionalTests.Resumption;

/// <summary>A response of a thinking model is resumed with the same text and tokens at any position, or ends with an error.</summary>
/// <remarks>The simulator separates thinking from content as Ollama's source does.</remarks>
public sealed class ThinkingResumptionTests
{
    // The client receives eleven parts, including the newline at the end of the thinking, so there are twelve positions for a failure.
    private const int Parts = 11;

    private static readonly Dictionary<string, (ThinkingStyle Style, ChatTemplate Template, bool IsRaw)> Styles = new()
    {
        ["opened by the template"] = (ThinkingStyle.OpenedByTemplate, ChatTemplate.Messages, true),
        ["compact template"] = (ThinkingStyle.Compact, ChatTemplate.Messages, true),
        ["written by the model"] = (ThinkingStyle.WrittenByModel, ChatTemplate.Messages, true),
        ["thinking of the last message not rendered"] = (ThinkingStyle.NotRendered, ChatTemplate.Messages, true),
        ["template that leaves the turn open"] = (ThinkingStyle.WrittenByModel, ChatTemplate.Prefill, true),
        ["built-in parser"] = (ThinkingStyle.BuiltInParser, ChatTemplate.Messages, false),
        ["template of the weights"] = (ThinkingStyle.WrittenByModel, ChatTemplate.Jinja, false),
    };

    public static TheoryData<string, string> Matrix()
    {
        var data = new TheoryData<string, string>();
        foreach (var style in Styles.Keys)
            foreach (var path in Paths)
                data.Add(style, path);
        return data;
    }

    /// <summary>Every style × every protocol × twelve positions.</summary>
    [Theory]
    [MemberData(nameof(Matrix))]
    public async Task Stream_InterruptedAnywhere_SameTextAndTokens(string style, string path)
    {
        await using var fleet = await StartFleetAsync(Model(style));
        await using var bridge = await StartAsync(fleet);
        var whole = await AskAsync(bridge, path);
        Assert.Equal(1, whole.Answer.Ends);

        for (var after = 0; after <= Parts; after++)
            await BreakAsync(fleet, bridge, path, whole, after);
    }

    /// <summary>Every token limit, hidden tokens included.</summary>
    [Theory]
    [MemberData(nameof(Matrix))]
    public async Task Stream_TokenLimit_KeptWithSameUsage(string style, string path)
    {
        await using var fleet = await StartFleetAsync(Model(style));
        await using var bridge = await StartAsync(fleet);
        for (var limit = 2; limit <= Parts + 5; limit += 2)
        {
            var whole = await AskAsync(bridge, path, limit);
            Assert.InRange(whole.Answer.Tokens!.Value, 1, limit);
            for (var after = 1; after <= Math.Min(limit - 4, Parts - 1); after += 3)
                await BreakAsync(fleet, bridge, path, whole, after, limit);
        }
    }

    /// <summary>The server holds each full stop, because the stop sequence may follow, and sends it together with the next token.</summary>
    [Theory]
    [InlineData("compact template", "/api/chat")]
    [InlineData("compact template", "/v1/messages")]
    [InlineData("opened by the template", "/v1/chat/completions")]
    [InlineData("opened by the template", "/api/generate")]
    public async Task Stream_MessagesOfSeveralTokens_SameTextAndTokens(string style, string path)
    {
        await using var fleet = await StartFleetAsync(Model(style) with { ThinkingTokens = 16, AnswerTokens = 16 });
        await using var bridge = await StartAsync(fleet);
        foreach (var limit in (int?[])[null, 24, 30])
        {
            var body = Body(path, limit);
            if (path.StartsWith("/api/", StringComparison.Ordinal))
                body["options"] = limit is null ? new { seed = 7, stop = new[] { ". X" } } : new { seed = 7, stop = new[] { ". X" }, num_predict = limit };
            else
                body[path == "/v1/messages" ? "stop_sequences" : "stop"] = new[] { ". X" };
            var whole = await AskAsync(bridge, path, body: body);
            for (var after = 2; after <= 26; after += 4)
                await BreakAsync(fleet, bridge, path, whole, after, limit, body, strikes: false);
        }
    }

    [Theory]
    [InlineData("compact template")]
    [InlineData("thinking of the last message not rendered")]
    [InlineData("built-in parser")]
    public async Task Stream_InterruptedByEachOfThreeInstances_SameTextAndTokens(string style)
    {
        await using var fleet = await StartFleetAsync(Model(style), count: 4);
        await using var bridge = await StartAsync(fleet);
        var whole = await AskAsync(bridge, "/api/chat");
        var isRaw = Styles[style].IsRaw;
        for (var first = 1; first < Parts - 1; first++)
        {
            foreach (var server in fleet.Servers)
                server.Faults.Clear();
            fleet[whole.Instance].Faults.Add(new Fault { Kind = FaultKind.CutAfterTokens, AfterTokens = first, Times = 1, Path = "/api/chat" });
            // A raw stream also contains hidden tokens; a repeated response must exceed the text that was sent.
            foreach (var server in fleet.Servers.Where((_, i) => i != whole.Instance).Take(2))
                server.Faults.Add(new Fault { Kind = FaultKind.CutAfterTokens, AfterTokens = isRaw ? 4 : first + 1, Times = 1, Path = isRaw ? "/api/generate" : "/api/chat" });

            Assert.Equal(whole.Answer, (await AskAsync(bridge, "/api/chat")).Answer);
        }
    }

    [Theory]
    [InlineData("compact template", "low")]
    [InlineData("compact template", true)]
    [InlineData("compact template", false)]
    [InlineData("opened by the template", false)]
    [InlineData("template that leaves the turn open", false)]
    [InlineData("built-in parser", "high")]
    public async Task Stream_ThinkOption_SameTextAndTokens(string style, object think)
    {
        await using var fleet = await StartFleetAsync(Model(style));
        await using var bridge = await StartAsync(fleet);
        var body = Body("/api/chat", null);
        body["think"] = think;
        var whole = await AskAsync(bridge, "/api/chat", body: body);
        Assert.Equal(think is false, whole.Answer.Thinking.Length == 0);

        for (var after = 0; after <= (think is false ? 5 : Parts); after++)
            await BreakAsync(fleet, bridge, "/api/chat", whole, after, body: body);
    }

    [Theory]
    [InlineData("compact template", "/api/chat")]
    [InlineData("compact template", "/v1/chat/completions")]
    [InlineData("built-in parser", "/api/generate")]
    public async Task Stream_ModelsTokenLimit_KeptWithSameUsage(string style, string path)
    {
        await using var fleet = await StartFleetAsync(Model(style) with { MaxTokens = 11 });
        await using var bridge = await StartAsync(fleet);
        var whole = await AskAsync(bridge, path);
        Assert.Equal((11, "length"), (whole.Answer.Tokens, whole.Answer.Reason));

        for (var after = 1; after <= 6; after++)
            await BreakAsync(fleet, bridge, path, whole, after);
    }

    /// <summary>A model may close its thinking immediately; then only the tags are hidden.</summary>
    [Theory]
    [InlineData("compact template", "/api/chat")]
    [InlineData("opened by the template", "/v1/messages")]
    [InlineData("template that leaves the turn open", "/v1/chat/completions")]
    [InlineData("thinking of the last message not rendered", "/api/generate")]
    [InlineData("built-in parser", "/api/chat")]
    public async Task Stream_EmptyThinking_SameTextAndTokens(string style, string path)
    {
        await using var fleet = await StartFleetAsync(Model(style) with { ThinkingTokens = 0 });
        await using var bridge = await StartAsync(fleet);
        var whole = await AskAsync(bridge, path);
        Assert.Empty(whole.Answer.Thinking);

        for (var after = 0; after <= 5; after++)
            await BreakAsync(fleet, bridge, path, whole, after);
    }

    [Theory]
    [InlineData("tools", "/api/chat")]
    [InlineData("tools", "/v1/chat/completions")]
    [InlineData("images", "/api/chat")]
    public async Task Stream_ConversationNotRendered_SameTextAndTokens(string what, string path)
    {
        await using var fleet = await StartFleetAsync(Model("compact template") with
        {
            Capabilities = [ModelCapability.Completion, ModelCapability.Thinking, ModelCapability.Tools, ModelCapability.Vision],
        });
        await using var bridge = await StartAsync(fleet);
        var body = Body(path, null);
        if (what == "images")
            body["messages"] = new[] { new { role = "user", content = "What is this?", images = new[] { "aGVsbG8=" } } };
        else
            body["tools"] = new[] { new { type = "function", function = new { name = "get_weather", parameters = new { type = "object", properties = new { } } } } };
        var whole = await AskAsync(bridge, path, body: body);
        Assert.Equal(1, whole.Answer.Ends);

        for (var after = 0; after <= Parts; after++)
            await BreakAsync(fleet, bridge, path, whole, after, body: body);
    }

    /// <summary>The raw text is found by generating only the hidden part again, not a long response.</summary>
    [Fact]
    public async Task Stream_HiddenTextFound_ResponseNotRegenerated()
    {
        await using var fleet = await StartFleetAsync(Model("compact template"));
        await using var bridge = await StartAsync(fleet);
        var whole = await AskAsync(bridge, "/v1/chat/completions");
        var other = fleet[1 - whole.Instance];
        var before = other.Statistics.Seen.Count;

        await BreakAsync(fleet, bridge, "/v1/chat/completions", whole, 9);

        var requests = other.Statistics.Seen.Skip(before).Where(r => r.Method == "POST").ToArray();
        Assert.DoesNotContain(requests, r => r.Path == "/v1/chat/completions");
        var raw = JsonNode.Parse(requests[^1].Body.Span)!;
        Assert.EndsWith($"<|assistant|><think>\n{whole.Answer.Thinking}</think>\n\n", Prefix(raw["prompt"]!.GetValue<string>(), whole.Answer.Text), StringComparison.Ordinal);
        // Otherwise the server would parse tags in the raw response.
        Assert.False(raw["think"]!.GetValue<bool>());
    }

    /// <summary>Sampled responses differ each time: one is resumed only if its hidden text was found, and ends with an error otherwise.</summary>
    [Theory]
    [InlineData("compact template", 2)]
    [InlineData("compact template", 9)]
    [InlineData("built-in parser", 2)]
    public async Task Stream_SampledResponse_ResumedFromRawTextOrError(string style, int after)
    {
        await using var fleet = await StartFleetAsync(Model(style) with { Samples = true });
        await using var bridge = await StartAsync(fleet);
        var body = Body("/api/chat", null);
        body.Remove("options");
        var (whole, broken) = (0, 0);
        for (var round = 0; round < 24; round++)
        {
            foreach (var server in fleet.Servers)
                server.Faults.Clear();
            foreach (var server in fleet.Servers)
                server.Faults.Add(new Fault { Kind = FaultKind.CutAfterTokens, AfterTokens = after, Times = 1, Path = "/api/chat" });
            var answer = (await AskAsync(bridge, "/api/chat", body: body)).Answer;
            Assert.Equal(answer.Error is null ? 1 : 0, answer.Ends);
            whole += answer.Ends;
            broken += 1 - answer.Ends;
            if (answer.Error is null)
                Assert.Contains(fleet.Servers.SelectMany(s => s.Statistics.Seen), r => IsResumedFrom(r, answer));
        }

        Assert.True(broken > 0);
        // The thinking has few possible first words, and the content after it has many.
        if (after == 2)
            Assert.Equal(Styles[style].IsRaw, whole > 0);
    }

    private static bool IsResumedFrom(SeenRequest request, StreamedAnswer answer)
    {
        if (request.Path != "/api/generate" || JsonNode.Parse(request.Body.Span) is not { } raw || raw["options"]?["num_predict"] is not null)
            return false;
        var said = raw["prompt"]!.GetValue<string>();
        said = said[(said.IndexOf("<|assistant|>", StringComparison.Ordinal) + "<|assistant|>".Length)..];
        return $"<think>\n{answer.Thinking}</think>\n\n{answer.Text}".StartsWith(said, StringComparison.Ordinal);
    }

    private static string Prefix(string prompt, string text)
    {
        var length = text.Length;
        while (length > 0 && !prompt.EndsWith(text[..length], StringComparison.Ordinal))
            length--;
        return prompt[..^length];
    }

    private static SimulatedModel Model(string style) => new()
    {
        Name = TestFleet.Model,
        Template = Styles[style].Template,
        Thinking = Styles[style].Style,
        ThinkingTokens = 5,
        AnswerTokens = 5,
        Capabilities = [ModelCapability.Completion, ModelCapability.Thinking],
    };

    private static async Task BreakAsync(
        TestFleet fleet, TestBridge bridge, string path, (StreamedAnswer Answer, int Instance) whole, int after, int? limit = null, Dictionary<string, object>? body = null,
        bool strikes = true)
    {
        fleet[whole.Instance].Faults.Add(new Fault { Kind = FaultKind.CutAfterTokens, AfterTokens = after, Times = 1, Path = path });
        var answer = await AskAsync(bridge, path, limit, body);
        Assert.True(whole.Answer == answer.Answer, $"after {after}, at most {limit}:\n{whole.Answer}\n{answer.Answer}");
        // The fault was applied, unless the response is shorter.
        Assert.True(!strikes || after > 4 || fleet[whole.Instance].Faults.Faults.Count == 0);
        fleet[whole.Instance].Faults.Clear();
    }
}

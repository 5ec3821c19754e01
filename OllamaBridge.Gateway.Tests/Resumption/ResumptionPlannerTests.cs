using System.Text;
using System.Text.Json.Nodes;
using OllamaBridge.Gateway.Protocols.Answers;
using OllamaBridge.Gateway.Resumption;
using OllamaBridge.Testing.Fleet;
using OllamaBridge.Testing.Forwarding;

namespace OllamaBridge.Gateway.Tests.Resumption;

public sealed class ResumptionPlannerTests : IAsyncDisposable
{
    private const string Chat = """{"model":"a","messages":[{"role":"user","content":"Why?"}],"options":{"num_predict":10,"temperature":0}}""";
    private const string Show = """{"template":"","capabilities":["completion"]}""";
    private const string ShowThinking = """{"template":"","capabilities":["completion","thinking"]}""";
    private const string Open = "<user>Why?<assistant>";
    private readonly ForwardingHarness _harness = new(new FleetBuilder().With("i").WithOpenAI("o", "a"));
    private readonly ResponseTranscript _transcript = new(1024);

    public async ValueTask DisposeAsync()
    {
        _transcript.Dispose();
        await _harness.DisposeAsync();
    }

    [Fact]
    public async Task Ways_NothingSent_OriginalRequest()
    {
        var plan = Assert.Single(await WaysAsync("/api/chat", Chat));
        Assert.Equal(("/api/chat", Chat), (plan.Path, Encoding.UTF8.GetString(plan.Body.Span)));
        Assert.Empty(_harness.Instances.Received);
    }

    [Fact]
    public async Task Ways_BodyUnreadable_OriginalRequest()
    {
        Send("Hel");
        const string body = """{"model":"a","model":"a"}""";
        var plan = Assert.Single(await WaysAsync("/api/chat", body));
        Assert.Equal(body, Encoding.UTF8.GetString(plan.Body.Span));
    }

    [Fact]
    public async Task Ways_OnlyFrameSent_OriginalRequestAsStream()
    {
        _transcript.IsFramed = true;
        var plan = Assert.Single(await WaysAsync("/v1/chat/completions", """{"model":"a","messages":[]}"""));
        var body = Body(plan);
        Assert.Equal(("/v1/chat/completions", true), (plan.Path, body["stream"]!.GetValue<bool>()));
        Assert.False(plan.HoldsAnswer);
    }

    [Fact]
    public async Task Ways_TemplateLeavesTurnOpen_SameRouteThenRawPrompt()
    {
        Send("Hel");
        ScriptTemplate(leavesOpen: true, Show);
        var plans = await WaysAsync("/api/chat", Chat);

        Assert.Equal(["/api/chat", "/api/generate"], plans.Select(p => p.Path));
        Assert.All(plans, p => Assert.True(p is { HoldsAnswer: true, IsReplay: false, IsOver: false }));
        Assert.Equal("""{"role":"assistant","content":"Hel"}""", ((JsonArray)Body(plans[0])["messages"]!)[^1]!.ToJsonString());
        Assert.Equal(9, Body(plans[0])["options"]!["num_predict"]!.GetValue<int>());
        Assert.Equal((Open + "Hel", true), (Body(plans[1])["prompt"]!.GetValue<string>(), Body(plans[1])["raw"]!.GetValue<bool>()));
    }

    [Fact]
    public async Task Ways_TemplateClosesTurn_RawPromptOnly()
    {
        Send("Hel");
        ScriptTemplate(leavesOpen: false, Show);
        Assert.Equal(["/api/generate"], (await WaysAsync("/api/chat", Chat)).Select(p => p.Path));
    }

    [Fact]
    public async Task Ways_LimitReached_OnlyForUsage()
    {
        Send("Hel", pieces: 10);
        ScriptTemplate(leavesOpen: true, Show);
        var plan = (await WaysAsync("/api/chat", Chat))[0];
        Assert.True(plan.IsOver);
        Assert.Equal(1, Body(plan)["options"]!["num_predict"]!.GetValue<int>());
    }

    [Fact]
    public async Task Ways_TemplateUnknown_NoneUnlessThinkingWasSent()
    {
        Send("Hel");
        Assert.Empty(await WaysAsync("/api/chat", Chat));
        _transcript.Thinking.Append("Hm"u8);
        Assert.True(Assert.Single(await WaysAsync("/api/chat", Chat)).IsReplay);
    }

    [Fact]
    public async Task Ways_ModelHidesText_ReplayLast()
    {
        Send("Hel");
        ScriptTemplate(leavesOpen: true, ShowThinking);
        var plans = await WaysAsync("/api/chat", Chat);
        Assert.True(plans[^1] is { IsReplay: true, Path: "/api/chat" });
        Assert.DoesNotContain(plans, p => p is { HoldsAnswer: true, Path: "/api/chat" });
    }

    [Theory]
    [InlineData("vllm", true)]
    [InlineData("library", false)] // it would write a new response
    public async Task Ways_OpenAIChat_OnlyServersThatContinueTurns(string owner, bool expected)
    {
        Send("Hel");
        _harness.Instances.Script("o", Responses.Whole($$"""{"data":[{"id":"a","owned_by":"{{owner}}"}]}"""));
        var plans = await WaysAsync("/v1/chat/completions", """{"model":"a","messages":[{"role":"user","content":"Why?"}]}""", "o");
        Assert.Equal(expected ? 1 : 0, plans.Count);
        if (!expected)
            return;
        var body = Body(plans[0]);
        Assert.Equal("Hel", ((JsonArray)body["messages"]!)[^1]!["content"]!.GetValue<string>());
        Assert.Equal((true, false), (body["continue_final_message"]!.GetValue<bool>(), body["add_generation_prompt"]!.GetValue<bool>()));
    }

    [Fact]
    public async Task Ways_OpenAICompletion_PromptContinues()
    {
        Send("Hel");
        var plan = Assert.Single(await WaysAsync("/v1/completions", """{"model":"a","prompt":"Why?","max_tokens":5}""", "o"));
        Assert.Equal(("/v1/completions", "Why?Hel", 4), (plan.Path, Body(plan)["prompt"]!.GetValue<string>(), Body(plan)["max_tokens"]!.GetValue<int>()));
        Assert.Empty(_harness.Instances.Received);
    }

    [Theory]
    [InlineData("""{"messages":[{"role":"user","content":"x"}]}""", true)]
    [InlineData("""{"messages":[{"role":"user","content":"x"},{"role":"assistant","content":"y"}]}""", false)]
    [InlineData("""{"messages":"x"}""", false)]
    public void MayOpenTurn_LastMessage_UnlessAssistants(string body, bool expected) =>
        Assert.Equal(expected, ResumptionPlanner.MayOpenTurn((JsonObject)JsonNode.Parse(body)!));

    [Theory]
    [InlineData("""{"prompt":"x"}""", true)]
    [InlineData("""{"prompt":["x"]}""", false)]
    [InlineData("""{"prompt":"x","suffix":"y"}""", false)]
    [InlineData("""{"prompt":"x","echo":true}""", false)]
    public void MayOpenPrompt_Prompt_OnlyPlainText(string body, bool expected) =>
        Assert.Equal(expected, ResumptionPlanner.MayOpenPrompt((JsonObject)JsonNode.Parse(body)!));

    private static JsonObject Body(ResumptionPlan plan) => (JsonObject)JsonNode.Parse(plan.Body.Span)!;

    private void Send(string text, int pieces = 1)
    {
        _transcript.Text.Append(Encoding.UTF8.GetBytes(text));
        _transcript.Pieces = pieces;
    }

    /// <summary>An Ollama server that describes its model and renders prompts.</summary>
    private void ScriptTemplate(bool leavesOpen, string show) => _harness.Instances.Script("i", request =>
    {
        if (request.Path == "/api/show")
            return Responses.Whole(show)(request);
        if (JsonNode.Parse(request.Body)!["_debug_render_only"] is null)
            return Responses.Refuse(request);
        var last = ((JsonArray)JsonNode.Parse(request.Body)!["messages"]!)[^1]!;
        var isAnswer = last["role"]!.GetValue<string>() == "assistant";
        var rendered = Open + (isAnswer ? last["content"]!.GetValue<string>() + (leavesOpen ? "" : "<end>") : "");
        return Responses.Whole(new JsonObject { ["_debug_info"] = new JsonObject { ["rendered_template"] = rendered } }.ToJsonString())(request);
    });

    private async Task<List<ResumptionPlan>> WaysAsync(string path, string body, string instance = "i")
    {
        var call = await _harness.CallAsync(path, body);
        var plans = new List<ResumptionPlan>();
        await foreach (var plan in _harness.Get<ResumptionPlanner>().WaysAsync(
            call, ResumableRequest.Read(call), _transcript, _harness.Builder[instance], TestContext.Current.CancellationToken))
            plans.Add(plan);
        return plans;
    }
}

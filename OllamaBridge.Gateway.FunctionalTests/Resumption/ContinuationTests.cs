using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Simulator;
using OllamaBridge.Testing;
using OllamaBridge.Testing.Streams;
using static OllamaBridge.Gateway.FunctionalTests.Fixtures.FaultFixture;

namespace OllamaBridge.Gateway.FunctionalTests.Resumption;

/// <summary>An interrupted stream is resumed on another instance, and the client gets the same response as without the failure.</summary>
public sealed class ContinuationTests
{
    private const int Tokens = 12;
    private const int Thoughts = 5;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public static TheoryData<string, FaultKind, ChatTemplate> EveryToken()
    {
        var data = new TheoryData<string, FaultKind, ChatTemplate>();
        foreach (var path in Paths)
            foreach (var kind in new[] { FaultKind.CutAfterTokens, FaultKind.EndEarly, FaultKind.ErrorLine, FaultKind.MalformedLine })
                foreach (var template in new[] { ChatTemplate.Messages, ChatTemplate.Prefill, ChatTemplate.Legacy })
                    data.Add(path, kind, template);
        return data;
    }

    [Theory]
    [MemberData(nameof(EveryToken))]
    public async Task Stream_InterruptedAtAnyToken_CompleteResponse(string path, FaultKind kind, ChatTemplate template)
    {
        await using var fleet = await StartFleetAsync(new SimulatedModel { Name = TestFleet.Model, Template = template, AnswerTokens = Tokens });
        await using var bridge = await StartAsync(fleet);
        var whole = await AskAsync(bridge, path);
        Assert.Equal(1, whole.Answer.Ends);

        for (var after = 0; after <= Tokens; after++)
            await BreakAsync(fleet, bridge, path, whole, new Fault { Kind = kind, AfterTokens = after, Times = 1 });
    }

    [Theory]
    [InlineData("/api/chat", ChatTemplate.Messages)]
    [InlineData("/api/chat", ChatTemplate.Prefill)]
    [InlineData("/api/chat", ChatTemplate.Jinja)]
    [InlineData("/api/generate", ChatTemplate.Messages)]
    [InlineData("/v1/chat/completions", ChatTemplate.Messages)]
    [InlineData("/v1/chat/completions", ChatTemplate.Prefill)]
    [InlineData("/v1/messages", ChatTemplate.Messages)]
    [InlineData("/v1/messages", ChatTemplate.Prefill)]
    public async Task Stream_ThinkingModelInterrupted_CompleteResponse(string path, ChatTemplate template)
    {
        await using var fleet = await StartFleetAsync(new SimulatedModel
        {
            Name = TestFleet.Model,
            Template = template,
            AnswerTokens = Tokens,
            ThinkingTokens = Thoughts,
            Capabilities = [ModelCapability.Completion, ModelCapability.Thinking],
        });
        await using var bridge = await StartAsync(fleet);
        var whole = await AskAsync(bridge, path);
        Assert.NotEmpty(whole.Answer.Thinking);

        for (var after = 0; after <= Tokens + Thoughts; after++)
            await BreakAsync(fleet, bridge, path, whole, new Fault { Kind = FaultKind.CutAfterTokens, AfterTokens = after, Times = 1 });
    }

    [Theory]
    [InlineData("/api/chat")]
    [InlineData("/api/generate")]
    [InlineData("/v1/chat/completions")]
    [InlineData("/v1/completions")]
    [InlineData("/v1/messages")]
    public async Task Stream_TokenLimit_KeptWithLengthAsFinishReason(string path)
    {
        await using var fleet = await StartFleetAsync(new SimulatedModel { Name = TestFleet.Model, AnswerTokens = 100 });
        await using var bridge = await StartAsync(fleet);
        var whole = await AskAsync(bridge, path, limit: 8);
        Assert.Contains(whole.Answer.Reason, new[] { "length", "max_tokens" });
        Assert.Equal(8, whole.Answer.Tokens);

        for (var after = 0; after <= 8; after++)
            await BreakAsync(fleet, bridge, path, whole, new Fault { Kind = FaultKind.CutAfterTokens, AfterTokens = after, Times = 1 }, limit: 8);
    }

    [Theory]
    [InlineData("/api/chat")]
    [InlineData("/v1/chat/completions")]
    [InlineData("/v1/messages")]
    public async Task Stream_InterruptedOnceByEachInstance_CompleteResponse(string path)
    {
        await using var fleet = await StartFleetAsync(new SimulatedModel { Name = TestFleet.Model, AnswerTokens = Tokens }, count: 4);
        await using var bridge = await StartAsync(fleet, ("Bridge:Continuation:MaxContinuations", "10"));
        var whole = await AskAsync(bridge, path);
        // The first instance and each instance that resumes the stream break it off once.
        fleet[whole.Instance].Faults.Add(new Fault { Kind = FaultKind.CutAfterTokens, AfterTokens = 3, Times = 1 });
        foreach (var server in fleet.Servers.Where((_, i) => i != whole.Instance))
            server.Faults.Add(new Fault { Kind = FaultKind.CutAfterTokens, AfterTokens = 2, Times = 1, Path = "/api/generate" });

        Assert.Equal(whole.Answer, (await AskAsync(bridge, path)).Answer);

        Assert.All(fleet.Servers, s => Assert.Empty(s.Faults.Faults));
        var record = (await bridge.GetJsonAsync("/bridge/ledger?limit=1"))[0]!;
        Assert.Equal("succeeded", record["outcome"]!.GetValue<string>());
        Assert.Equal(["reset", "reset", "reset", "reset"], record["interruptions"]!.AsArray().Select(i => i!.GetValue<string>()));
        Assert.Equal(whole.Answer.Tokens, record["outputTokens"]!.GetValue<long>());
        var continued = await MetricAsync(bridge, "ollama_continuations_total");
        Assert.Contains("outcome=\"interrupted\"", continued, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/api/chat")]
    [InlineData("/v1/completions")]
    public async Task Stream_InterruptedRepeatedly_ErrorAfterBoundedAttempts(string path)
    {
        await using var fleet = await StartFleetAsync(new SimulatedModel { Name = TestFleet.Model, AnswerTokens = Tokens });
        await using var bridge = await StartAsync(fleet, ("Bridge:Continuation:MaxContinuations", "2"));
        await AskAsync(bridge, path);
        var before = fleet.Sum(s => s.Requests);
        foreach (var server in fleet.Servers)
            server.Faults.Add(new Fault { Kind = FaultKind.CutAfterTokens, AfterTokens = 2, Path = path });
        foreach (var server in fleet.Servers)
            server.Faults.Add(new Fault { Kind = FaultKind.CutAfterTokens, AfterTokens = 2 });

        var answer = await AskAsync(bridge, path);

        Assert.NotNull(answer.Answer.Error);
        Assert.Equal(0, answer.Answer.Ends);
        // The first attempt, two resumptions, and the queries about the model.
        Assert.InRange(fleet.Sum(s => s.Requests) - before, 3, 3 + 6);
    }

    [Fact]
    public async Task Stream_EveryInstanceFails_ErrorAfterThreeAttemptsWithoutText()
    {
        await using var fleet = await StartFleetAsync(new SimulatedModel { Name = TestFleet.Model, AnswerTokens = Tokens, Template = ChatTemplate.Prefill }, count: 3);
        await using var bridge = await StartAsync(fleet, ("Bridge:Continuation:MaxContinuations", "100"));
        var whole = await AskAsync(bridge, "/v1/messages");
        fleet[whole.Instance].Faults.Add(new Fault { Kind = FaultKind.CutAfterTokens, AfterTokens = 3, Times = 1, Path = "/v1/messages" });
        var before = fleet.Sum(s => s.Requests);
        foreach (var server in fleet.Servers)
            server.Faults.Add(new Fault { Kind = FaultKind.EndEarly, AfterTokens = 0 });

        var answer = await AskAsync(bridge, "/v1/messages");

        Assert.NotNull(answer.Answer.Error);
        Assert.Equal(0, answer.Answer.Ends);
        Assert.InRange(fleet.Sum(s => s.Requests) - before, 2, 30);
    }

    [Theory]
    [InlineData("format")]
    [InlineData("logprobs")]
    [InlineData("header")]
    public async Task Stream_NotResumable_ErrorWithoutTerminalMarker(string why)
    {
        await using var fleet = await StartFleetAsync(new SimulatedModel { Name = TestFleet.Model, AnswerTokens = Tokens });
        await using var bridge = await StartAsync(fleet);
        var body = Body("/api/chat", null);
        if (why == "format")
            body["format"] = "json";
        if (why == "logprobs")
            body["logprobs"] = true;
        var whole = await AskAsync(bridge, "/api/chat", body: body);
        fleet[whole.Instance].Faults.Add(new Fault { Kind = FaultKind.CutAfterTokens, AfterTokens = 2, Times = 1 });

        var answer = await AskAsync(bridge, "/api/chat", body: body, headers: why == "header" ? ("X-Bridge-Continuation", "off") : null);

        Assert.NotNull(answer.Answer.Error);
        Assert.Equal(0, answer.Answer.Ends);
        Assert.StartsWith(answer.Answer.Text, whole.Answer.Text, StringComparison.Ordinal);
        // No text was sent, so another instance may generate the whole response.
        fleet[whole.Instance].Faults.Add(new Fault { Kind = FaultKind.CutAfterTokens, AfterTokens = 0, Times = 1 });
        Assert.Equal(whole.Answer.Text, (await AskAsync(bridge, "/api/chat", body: body)).Answer.Text);
    }

    [Fact]
    public async Task Stream_InterruptedInToolCall_Error()
    {
        await using var fleet = await StartFleetAsync(new SimulatedModel { Name = TestFleet.Model, Capabilities = [ModelCapability.Completion, ModelCapability.Tools] });
        await using var bridge = await StartAsync(fleet);
        var body = Body("/api/chat", null);
        body["messages"] = new[] { new { role = "user", content = "Please call get_weather for Berlin." } };
        body["tools"] = new[]
        {
            new { type = "function", function = new { name = "get_weather", parameters = new { type = "object", properties = new { city = new { type = "string" } }, required = new[] { "city" } } } },
        };
        var whole = await AskAsync(bridge, "/api/chat", body: body);
        Assert.Equal(1, whole.Answer.Ends);
        // The tool call is one line; the terminal marker after it is missing.
        fleet[whole.Instance].Faults.Add(new Fault { Kind = FaultKind.EndEarly, AfterTokens = 1, Times = 1 });

        var answer = await AskAsync(bridge, "/api/chat", body: body);

        Assert.NotNull(answer.Answer.Error);
        Assert.Equal(0, answer.Answer.Ends);
    }

    [Theory]
    [InlineData("/api/chat", ChatTemplate.Prefill)]
    [InlineData("/v1/chat/completions", ChatTemplate.Prefill)]
    [InlineData("/v1/messages", ChatTemplate.Prefill)]
    public async Task Stream_TargetRefusesOpenTurn_NextMethodUsed(string path, ChatTemplate template)
    {
        await using var fleet = await StartFleetAsync(new SimulatedModel { Name = TestFleet.Model, AnswerTokens = Tokens, Template = template });
        await using var bridge = await StartAsync(fleet);
        var whole = await AskAsync(bridge, path);
        fleet[whole.Instance].Faults.Add(new Fault { Kind = FaultKind.CutAfterTokens, AfterTokens = 4, Times = 1 });
        // The queries about the model succeed; the request that resumes the stream is refused.
        await AskAsync(bridge, path);
        fleet[whole.Instance].Faults.Add(new Fault { Kind = FaultKind.CutAfterTokens, AfterTokens = 4, Times = 1 });
        fleet[1 - whole.Instance].Faults.Add(new Fault { Kind = FaultKind.Status, Status = 400, Message = "no", Path = path, Times = 1 });

        var answer = await AskAsync(bridge, path);

        Assert.Equal(whole.Answer, answer.Answer);
        Assert.Empty(fleet[1 - whole.Instance].Faults.Faults);
    }

    [Fact]
    public async Task Stream_EveryTargetRefuses_OriginalErrorReturned()
    {
        await using var fleet = await StartFleetAsync(new SimulatedModel { Name = TestFleet.Model, AnswerTokens = Tokens });
        await using var bridge = await StartAsync(fleet);
        var whole = await AskAsync(bridge, "/api/chat");
        fleet[whole.Instance].Faults.Add(new Fault { Kind = FaultKind.ErrorLine, AfterTokens = 4, Times = 1 });
        foreach (var server in fleet.Servers)
            server.Faults.Add(new Fault { Kind = FaultKind.Status, Status = 400, Message = "will not", Path = "/api/generate" });

        var answer = await AskAsync(bridge, "/api/chat");

        Assert.Contains("an error was encountered while running the model: unexpected EOF", answer.Answer.Error, StringComparison.Ordinal);
        Assert.Equal(0, answer.Answer.Ends);
        Assert.StartsWith(answer.Answer.Text, whole.Answer.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Stream_OnlyInstancesRunnerDies_ResumedOnSameInstance()
    {
        await using var fleet = await StartFleetAsync(new SimulatedModel { Name = TestFleet.Model, AnswerTokens = Tokens }, count: 1);
        await using var bridge = await StartAsync(fleet);
        var whole = await AskAsync(bridge, "/api/chat");
        fleet[0].Faults.Add(new Fault { Kind = FaultKind.ErrorLine, AfterTokens = 4, Times = 1 });

        Assert.Equal(whole.Answer, (await AskAsync(bridge, "/api/chat")).Answer);
    }

    [Fact]
    public async Task Stream_OnlyServerRestarts_ResumedAfterRestart()
    {
        await using var fleet = await StartFleetAsync(new SimulatedModel { Name = TestFleet.Model, AnswerTokens = Tokens }, count: 1);
        await using var bridge = await StartAsync(fleet);
        var whole = await AskAsync(bridge, "/api/chat");
        fleet[0].Faults.Add(new Fault { Kind = FaultKind.Die, AfterTokens = 4, Times = 1 });

        var asked = AskAsync(bridge, "/api/chat");
        await bridge.UntilAsync(s => s.Instances[0].Status != OllamaBridge.Gateway.Fleet.InstanceStatus.Healthy, "it is seen to be dead");
        await fleet[0].RestartAsync(Token);

        Assert.Equal(whole.Answer, (await asked).Answer);
    }

    [Fact]
    public async Task Stream_ResumptionDisabled_PassedThroughAndEndsWithError()
    {
        await using var fleet = await StartFleetAsync(new SimulatedModel { Name = TestFleet.Model, AnswerTokens = Tokens });
        await using var bridge = await StartAsync(fleet, ("Bridge:Continuation:Enabled", "false"));
        var whole = await AskAsync(bridge, "/api/chat");
        fleet[whole.Instance].Faults.Add(new Fault { Kind = FaultKind.CutAfterTokens, AfterTokens = 4, Times = 1 });

        Assert.NotNull((await AskAsync(bridge, "/api/chat")).Answer.Error);
    }

    [Fact]
    public async Task Stream_ClientDisconnectsDuringResumption_InstanceCancelledAndSlotReturned()
    {
        await using var fleet = await StartFleetAsync(
            new SimulatedModel { Name = TestFleet.Model, AnswerTokens = 100_000, DecodePerToken = TimeSpan.FromMilliseconds(5) });
        await using var bridge = await StartAsync(fleet);
        var body = Body("/api/chat", null);
        foreach (var server in fleet.Servers)
            server.Faults.Add(new Fault { Kind = FaultKind.CutAfterTokens, AfterTokens = 3, Times = 1, Path = "/api/chat" });
        using (var answer = await bridge.OpenAsync("/api/chat", body, Token))
        {
            using var reader = new StreamReader(await answer.Content.ReadAsStreamAsync(Token));
            for (var line = 0; line < 10; line++)
                Assert.NotNull(await reader.ReadLineAsync(Token));
        }

        await Eventually.BecomesAsync(() => fleet.Servers.Sum(s => s.Statistics.ConcurrentRequests) == 0, TimeSpan.FromSeconds(20));
        await Eventually.BecomesAsync(() => bridge.Fleet.Current.Instances.Sum(i => i.Instance.SlotsUsed) == 0, TimeSpan.FromSeconds(20));
        await Eventually.BecomesAsync(() => bridge.GetJsonAsync("/bridge/ledger?limit=1").GetAwaiter().GetResult()[0]!["outcome"]!.GetValue<string>() == "cancelled", TimeSpan.FromSeconds(20));
    }

    [Fact]
    public async Task Stream_Resumed_TextNotLogged()
    {
        await using var fleet = await StartFleetAsync(new SimulatedModel { Name = TestFleet.Model, AnswerTokens = Tokens });
        await using var bridge = await StartAsync(fleet);
        var whole = await AskAsync(bridge, "/api/chat");
        await BreakAsync(fleet, bridge, "/api/chat", whole, new Fault { Kind = FaultKind.CutAfterTokens, AfterTokens = 6, Times = 1 });

        Assert.Contains(bridge.Logs.Lines, l => l.Contains(" 1250 ", StringComparison.Ordinal));
        var words = whole.Answer.Text.Split(' ', StringSplitOptions.RemoveEmptyEntries).Where(w => w.Length > 4).ToArray();
        Assert.DoesNotContain(bridge.Logs.Lines, l => words.Any(w => l.Contains(w, StringComparison.Ordinal)) || l.Contains("Why is the sky", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("/api/chat")]
    [InlineData("/api/generate")]
    [InlineData("/v1/chat/completions")]
    [InlineData("/v1/completions")]
    [InlineData("/v1/messages")]
    public async Task Stream_StallsMidStream_CompleteResponse(string path)
    {
        await using var fleet = await StartFleetAsync(new SimulatedModel { Name = TestFleet.Model, AnswerTokens = Tokens });
        // Default time-outs, with a clock forty times as fast as the real one.
        await using var bridge = await StartAsync(fleet, new ScaledTime(40), ("Bridge:Health:Interval", "00:00:04"), ("Bridge:Health:Timeout", "00:01:00"));
        var whole = await AskAsync(bridge, path);

        for (var after = 1; after <= Tokens; after += 3)
            await BreakAsync(fleet, bridge, path, whole, new Fault { Kind = FaultKind.Stall, AfterTokens = after, Times = 1 });

        Assert.Contains("cause=\"stalled\"", await MetricAsync(bridge, "ollama_continuations_total"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(FaultKind.SlowFirstToken)]
    [InlineData(FaultKind.Frozen)]
    public async Task Stream_NoFirstTokenFromHealthyInstance_FailsOver(FaultKind kind)
    {
        await using var fleet = await StartFleetAsync(new SimulatedModel { Name = TestFleet.Model, AnswerTokens = Tokens });
        await using var bridge = await StartAsync(fleet, ("Bridge:Continuation:MinLateFirstToken", "00:00:00.4"), ("Bridge:Continuation:LateFactor", "2"));
        var whole = await AskAsync(bridge, "/api/chat");
        fleet[whole.Instance].Faults.Add(new Fault { Kind = kind });

        var answer = await AskAsync(bridge, "/api/chat");

        Assert.Equal(whole.Answer, answer.Answer);
        Assert.Equal(1 - whole.Instance, answer.Instance);
    }

    [Fact]
    public async Task Stream_InstanceVanishes_ProbeDetectsItAndStreamIsResumed()
    {
        await using var fleet = await StartFleetAsync(new SimulatedModel { Name = TestFleet.Model, AnswerTokens = Tokens });
        await using var bridge = await StartAsync(fleet, ("Bridge:Continuation:MinStall", "00:10:00"));
        var whole = await AskAsync(bridge, "/api/chat");
        // A stalled stream and a closed listener: a machine without power.
        fleet[whole.Instance].Faults.Add(new Fault { Kind = FaultKind.Stall, AfterTokens = 4, Times = 1 });
        var asked = AskAsync(bridge, "/api/chat");
        await Eventually.BecomesAsync(() => fleet[whole.Instance].Faults.Faults.Count == 0, TimeSpan.FromSeconds(20));
        fleet[whole.Instance].Faults.Add(new Fault { Kind = FaultKind.Refuse });

        Assert.Equal(whole.Answer, (await asked).Answer);
        Assert.Contains("cause=\"instancelost\"", await MetricAsync(bridge, "ollama_continuations_total"), StringComparison.Ordinal);
    }

    private static async Task BreakAsync(
        TestFleet fleet, TestBridge bridge, string path, (StreamedAnswer Answer, int Instance) whole, Fault fault, int? limit = null)
    {
        fleet[whole.Instance].Faults.Add(fault);
        var answer = await AskAsync(bridge, path, limit);
        Assert.True(whole.Answer == answer.Answer, $"{fault.Kind} after {fault.AfterTokens}:\n{whole.Answer}\n{answer.Answer}");
        // The fault was applied.
        Assert.Empty(fleet[whole.Instance].Faults.Faults);
    }

    private static async Task<string> MetricAsync(TestBridge bridge, string name) =>
        string.Join('\n', (await bridge.Client.GetStringAsync("/metrics", Token)).Split('\n').Where(l => l.StartsWith(name, StringComparison.Ordinal)));
}

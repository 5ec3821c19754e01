using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.Extensions.DependencyInjection;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Gateway.FunctionalTests.Protocols;
using OllamaBridge.Gateway.Quotas;
using OllamaBridge.Gateway.Tenants;
using OllamaBridge.Simulator;
using OllamaBridge.Testing;

namespace OllamaBridge.Gateway.FunctionalTests.Failover;

/// <summary>A fallback model serves a request once, before the first byte, and never after an error of the client.</summary>
public sealed class FallbackTests
{
    private const string First = "llama3:8b";
    private const string Second = "llama3:1b";
    private const string TooLong = "request (20005 tokens) exceeds the available context size (4096 tokens), try increasing it";

    private static readonly (string Key, string Value)[] Chain = [("Bridge:Models:0:Name", First), ("Bridge:Models:0:Fallbacks:0", Second)];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public static TheoryData<string, bool> Routes =>
        new() { { "/api/chat", false }, { "/api/chat", true }, { "/v1/chat/completions", false }, { "/v1/chat/completions", true }, { "/v1/messages", false }, { "/v1/messages", true } };

    [Theory]
    [MemberData(nameof(Routes))]
    public async Task Send_NoInstanceHasModel_FallbackServesAndIsNamed(string path, bool stream)
    {
        await using var two = await TwoModels.StartAsync();
        await using var bridge = await TestBridge.StartAsync([two.Second], Chain);
        await AnsweredByTheSecondAsync(bridge, path, stream);
    }

    [Theory]
    [MemberData(nameof(Routes))]
    public async Task Send_NoHealthyInstance_FallbackServesImmediately(string path, bool stream)
    {
        await using var two = await TwoModels.StartAsync();
        // The fallback must not wait for this limit.
        await using var bridge = await two.BridgeAsync([.. Chain, ("Bridge:Queue:MaxWaitWithoutInstance", "00:01:00")]);
        await two.First.KillAsync();
        await bridge.UntilAsync(s => s.Instances[0].Status == InstanceStatus.Unhealthy, "the first model's server is out");
        await AnsweredByTheSecondAsync(bridge, path, stream);
    }

    [Theory]
    [MemberData(nameof(Routes))]
    public async Task Send_EveryInstanceFails_FallbackServes(string path, bool stream)
    {
        await using var two = await TwoModels.StartAsync();
        await using var bridge = await two.BridgeAsync(Chain);
        foreach (var kind in new[] { FaultKind.Status, FaultKind.ResetBeforeHeaders })
        {
            two.First.Faults.Clear();
            two.First.Faults.Add(new Fault { Kind = kind, Status = 500 });
            await AnsweredByTheSecondAsync(bridge, path, stream);
        }

        // A request that was reset on a kept connection is sent again over a new one.
        Assert.InRange(two.First.Statistics.Requests, 2, 3);
        Assert.Equal(2, two.Second.Statistics.Requests);
    }

    [Fact]
    public async Task Send_AttemptsExhausted_FallbackHasItsOwn()
    {
        await using var two = await TwoModels.StartAsync();
        await using var bridge = await two.BridgeAsync([.. Chain, ("Bridge:Forwarding:MaxAttempts", "1")]);
        two.First.Faults.Add(new Fault { Kind = FaultKind.Status, Status = 500 });
        await AnsweredByTheSecondAsync(bridge, "/api/chat", stream: true);
    }

    [Theory]
    [MemberData(nameof(Routes))]
    public async Task Send_PromptTooLong_FallbackServesWithoutFailure(string path, bool stream)
    {
        await using var two = await TwoModels.StartAsync();
        await using var bridge = await two.BridgeAsync(Chain);
        two.First.Faults.Add(new Fault { Kind = FaultKind.Status, Status = 400, Message = TooLong });

        for (var i = 0; i < 6; i++)
            await AnsweredByTheSecondAsync(bridge, path, stream);

        Assert.Equal(6, two.First.Statistics.Requests);
        Assert.Equal(InstanceStatus.Healthy, bridge.Fleet.Current.Instances[0].Status);
    }

    [Fact]
    public async Task Chat_PromptTooLongByServersCount_ModelWithMoreContextServes()
    {
        await using var two = await TwoModels.StartAsync(context: 64);
        await using var bridge = await two.BridgeAsync(Chain);
        var body = new { model = First, messages = new[] { new { role = "user", content = Words(200) } }, truncate = false, stream = false };

        using var answer = await bridge.PostAsync("/api/chat", body, Token);

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal(Second, answer.Headers.GetValues("X-Bridge-Model").Single());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Chat_PromptTooLongForOpenAIServer_OllamaModelServes(bool stream)
    {
        const string Id = "org/Model";
        await using var fleet = await MixedFleet.StartAsync(Id, context: 64);
        await using var bridge = await fleet.BridgeAsync(("Bridge:Models:0:Name", Id), ("Bridge:Models:0:Fallbacks:0", TestFleet.Model));
        var body = new { model = Id, messages = new[] { new { role = "user", content = Words(200) } }, stream };

        using var answer = await bridge.PostAsync("/v1/chat/completions", body, Token);

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal(TestFleet.Model, answer.Headers.GetValues("X-Bridge-Model").Single());
        Assert.Equal(1, fleet.OpenAI.Statistics.Requests);
    }

    [Theory]
    [InlineData(400, "your prompt violates our content policy")]
    [InlineData(401, "no")]
    [InlineData(403, "no")]
    [InlineData(404, "no such thing")]
    [InlineData(422, "no")]
    public async Task Send_ClientError_PassedOnWithoutRetry(int status, string message)
    {
        await using var two = await TwoModels.StartAsync();
        await using var bridge = await two.BridgeAsync(Chain);
        two.First.Faults.Add(new Fault { Kind = FaultKind.Status, Status = status, Message = message });

        using var answer = await bridge.PostAsync("/api/chat", Ask.Chat(First), Token);

        Assert.Equal(status, (int)answer.StatusCode);
        Assert.Contains(message, await answer.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
        Assert.Equal((1, 0), (two.First.Statistics.Requests, two.Second.Statistics.Requests));
    }

    [Fact]
    public async Task Send_PromptTooLongWithoutFallback_ServersError()
    {
        await using var two = await TwoModels.StartAsync();
        await using var bridge = await two.BridgeAsync(Chain);
        foreach (var server in two.Servers)
            server.Faults.Add(new Fault { Kind = FaultKind.Status, Status = 400, Message = server == two.First ? TooLong : "maximum context length is 7" });

        using var answer = await bridge.PostAsync("/v1/chat/completions", Ask.OpenAI(First), Token);

        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        // The error of the last model in the list is passed on.
        Assert.Contains("maximum context length is 7", await answer.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
        Assert.Equal((1, 1), (two.First.Statistics.Requests, two.Second.Statistics.Requests));
    }

    [Fact]
    public async Task Send_AllModelsFail_EachTriedOnceAndFirstErrorReturned()
    {
        await using var two = await TwoModels.StartAsync();
        await using var bridge = await two.BridgeAsync(Chain);
        foreach (var server in two.Servers)
            server.Faults.Add(new Fault { Kind = FaultKind.Status, Status = 500, Message = server == two.First ? "first is out of sorts" : "second is" });

        using var answer = await bridge.PostAsync("/api/chat", Ask.Chat(First, stream: false), Token);

        Assert.Equal(HttpStatusCode.InternalServerError, answer.StatusCode);
        Assert.Contains("first is out of sorts", await answer.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
        Assert.Equal((1, 1), (two.First.Statistics.Requests, two.Second.Statistics.Requests));
    }

    [Fact]
    public async Task Send_StreamFailsAfterFirstByte_NoFallback()
    {
        await using var two = await TwoModels.StartAsync();
        await using var bridge = await two.BridgeAsync([.. Chain, ("Bridge:Continuation:Enabled", "false")]);
        two.First.Faults.Add(new Fault { Kind = FaultKind.CutAfterTokens, AfterTokens = 2 });

        using var answer = await bridge.PostAsync("/api/chat", Ask.Chat(First, stream: true), Token);

        Assert.DoesNotContain("\"done\":true", await answer.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
        Assert.Equal(0, two.Second.Statistics.Requests);
    }

    [Fact]
    public async Task Send_AllSlotsBusy_WaitsForRequestedModel()
    {
        await using var two = await TwoModels.StartAsync();
        await using var bridge = await two.BridgeAsync(Chain);
        two.First.Faults.Add(new Fault { Kind = FaultKind.Frozen });
        var pending = Enumerable.Range(0, 5).Select(i => bridge.PostAsync("/api/chat", Ask.Chat(First, stream: false, text: $"{i}"), Token)).ToArray();
        await Eventually.BecomesAsync(() => bridge.Queue.Count == 1, TimeSpan.FromSeconds(20));
        two.First.Faults.Clear();

        foreach (var request in pending)
            Assert.False((await request).Headers.Contains("X-Bridge-Model"));
        Assert.Equal(0, two.Second.Statistics.Requests);
    }

    [Fact]
    public async Task Send_EveryInstanceBusyWithRetryAfter_FallbackServesImmediately()
    {
        await using var two = await TwoModels.StartAsync();
        await using var bridge = await two.BridgeAsync(Chain);
        two.First.Faults.Add(new Fault { Kind = FaultKind.Status, Status = 503, RetryAfter = 60 });
        using var refused = await bridge.PostAsync("/api/chat", Ask.Chat(First, stream: false), Token);
        var asked = two.First.Statistics.Requests;
        for (var i = 0; i < 4; i++)
        {
            using var answer = await bridge.PostAsync("/api/chat", Ask.Chat(First, stream: false), Token);
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            Assert.True(answer.Headers.Contains("X-Bridge-Model"));
        }

        // The model without free slots got no request.
        Assert.Equal(asked, two.First.Statistics.Requests);
        Assert.Contains("reason=\"busy\"", await bridge.Client.GetStringAsync("/metrics", Token), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Send_NoSlotInTime_FallbackServes()
    {
        await using var two = await TwoModels.StartAsync();
        await using var bridge = await two.BridgeAsync([.. Chain, ("Bridge:Queue:FallbackAfter", "00:00:00.2")]);
        two.First.Faults.Add(new Fault { Kind = FaultKind.Frozen });
        var pending = Enumerable.Range(0, 4).Select(i => bridge.PostAsync("/api/chat", Ask.Chat(First, stream: false, text: $"{i}"), Token)).ToArray();
        await Eventually.BecomesAsync(() => two.First.Statistics.ConcurrentRequests == 4, TimeSpan.FromSeconds(20));

        using var answer = await bridge.PostAsync("/api/chat", Ask.Chat(First, stream: false, text: "5"), Token);
        Assert.True(answer.Headers.Contains("X-Bridge-Model"));

        two.First.Faults.Clear();
        foreach (var request in pending)
            Assert.False((await request).Headers.Contains("X-Bridge-Model"));
    }

    [Fact]
    public async Task Send_FallbackNotAllowedForTenant_NotUsed()
    {
        await using var two = await TwoModels.StartAsync();
        await using var bridge = await two.BridgeAsync(Chain);
        bridge.Tenant = new Tenant { Id = "team", Models = new ModelAccess([First]) };
        two.First.Faults.Add(new Fault { Kind = FaultKind.Status, Status = 500 });

        using var answer = await bridge.PostAsync("/api/chat", Ask.Chat(First, stream: false), Token);

        Assert.Equal(HttpStatusCode.InternalServerError, answer.StatusCode);
        Assert.Equal(0, two.Second.Statistics.Requests);
    }

    [Fact]
    public async Task Send_ModelNotAllowedForTenant_404DespiteAllowedFallback()
    {
        await using var two = await TwoModels.StartAsync();
        await using var bridge = await two.BridgeAsync(Chain);
        bridge.Tenant = new Tenant { Id = "team", Models = new ModelAccess([Second]) };

        using var answer = await bridge.PostAsync("/api/chat", Ask.Chat(First, stream: false), Token);

        Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
        Assert.Equal(0, two.Second.Statistics.Requests);
    }

    [Fact]
    public async Task Send_ModelLimits_ServingModelCharged()
    {
        await using var two = await TwoModels.StartAsync();
        await using var bridge = await two.BridgeAsync(Chain);
        bridge.Tenant = new Tenant
        {
            Id = "team",
            Limits = new TenantLimits
            {
                TokensPerDay = 100_000,
                // Limits for one reservation of the first model at a time, and for two requests of the second.
                Models = [new ModelLimits { Model = First, TokensPerDay = 150 }, new ModelLimits { Model = Second, RequestsPerSecond = 0.001, TokensPerDay = 90_000 }],
            },
        };
        two.First.Faults.Add(new Fault { Kind = FaultKind.Status, Status = 500, Message = "out of sorts" });

        using var one = await bridge.PostAsync("/v1/chat/completions", Ask.OpenAI(First, tokens: 100), Token);
        using var other = await bridge.PostAsync("/v1/chat/completions", Ask.OpenAI(First, tokens: 100), Token);
        two.First.Faults.Clear();
        using var third = await bridge.PostAsync("/v1/chat/completions", Ask.OpenAI(First, tokens: 100), Token);

        Assert.Equal(Second, one.Headers.GetValues("X-Bridge-Model").Single());
        // The request limit of the second model is exhausted, so there is no fallback; the first model's tokens were released.
        Assert.Equal(HttpStatusCode.InternalServerError, other.StatusCode);
        Assert.Contains("out of sorts", await other.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.OK, third.StatusCode);
        Assert.False(third.Headers.Contains("X-Bridge-Model"));
        Assert.Equal(1, two.Second.Statistics.Requests);
        // The total over all models counts each request once.
        var used = 0L;
        foreach (var answer in new[] { one, third })
            used += JsonNode.Parse(await answer.Content.ReadAsStringAsync(Token))!["usage"]!["total_tokens"]!.GetValue<long>();
        var quotas = (QuotaStore)bridge.Services.GetRequiredService<IQuotaStore>();
        await Eventually.BecomesAsync(
            () => quotas.Read("team", null, c => (c.SpentInDay, c.Reserved, c.InFlight)) == (used, 0, 0), TimeSpan.FromSeconds(10));
    }

    [Fact]
    public async Task Ledger_ServedByFallback_RecordsModelAndAttempts()
    {
        await using var two = await TwoModels.StartAsync();
        await using var bridge = await two.BridgeAsync(Chain);
        two.First.Faults.Add(new Fault { Kind = FaultKind.Status, Status = 500 });
        (await bridge.PostAsync("/api/chat", Ask.Chat(First, stream: false), Token)).Dispose();

        JsonArray records = [];
        await Eventually.BecomesAsync(
            () => (records = bridge.GetJsonAsync("/bridge/ledger").GetAwaiter().GetResult().AsArray()).Count == 1, TimeSpan.FromSeconds(10));
        var metrics = await bridge.Client.GetStringAsync("/metrics", Token);

        Assert.Equal((Second, "sim-2", 2), (records[0]!["model"]!.GetValue<string>(), records[0]!["instance"]!.GetValue<string>(), records[0]!["attempts"]!.GetValue<int>()));
        Assert.Contains($"ollama_fallbacks_total{{", metrics, StringComparison.Ordinal);
        Assert.Contains("reason=\"failed\"", metrics, StringComparison.Ordinal);
        Assert.Contains(bridge.Logs.Lines, l => l.Contains($"Fallback to {Second} for {First} (Failed)", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Alias_Lists_EqualToTarget()
    {
        await using var two = await TwoModels.StartAsync();
        await using var bridge = await two.BridgeAsync(("Bridge:Models:0:Name", "gpt-4"), ("Bridge:Models:0:Target", First));

        var tags = (await bridge.GetJsonAsync("/api/tags"))["models"]!.AsArray();
        var models = (await bridge.GetJsonAsync("/v1/models"))["data"]!.AsArray();
        var one = await bridge.GetJsonAsync("/v1/models/gpt-4");
        using var show = await bridge.PostAsync("/api/show", new { name = "gpt-4" }, Token);

        var (entry, target) = (tags.Single(t => t!["name"]!.GetValue<string>() == "gpt-4:latest")!, tags.Single(t => t!["name"]!.GetValue<string>() == First)!);
        Assert.Equal("gpt-4:latest", entry["model"]!.GetValue<string>());
        Assert.Equal(target["digest"]!.GetValue<string>(), entry["digest"]!.GetValue<string>());
        Assert.Contains(models, m => m!["id"]!.GetValue<string>() == "gpt-4:latest");
        Assert.Equal("gpt-4", one["id"]!.GetValue<string>());
        Assert.Equal(HttpStatusCode.OK, show.StatusCode);
        Assert.Equal($$"""{"name":"{{First}}"}""", Encoding.UTF8.GetString(two.Servers.SelectMany(s => s.Statistics.Seen).Single(r => r.Path == "/api/show").Body.Span));
        bridge.Tenant = new Tenant { Id = "team", Models = new ModelAccess([Second, "gpt-4"]) };
        Assert.DoesNotContain("gpt-4", await bridge.Client.GetStringAsync("/api/tags", Token), StringComparison.Ordinal);
        using var refused = await bridge.PostAsync("/api/chat", Ask.Chat("gpt-4", stream: false), Token);
        Assert.Equal(HttpStatusCode.NotFound, refused.StatusCode);
    }

    [Fact]
    public async Task Alias_OpenAIServersModel_OnlyInOpenAIList()
    {
        await using var fleet = await MixedFleet.StartAsync();
        await using var bridge = await fleet.BridgeAsync(("Bridge:Models:0:Name", "r1"), ("Bridge:Models:0:Target", "deepseek-ai/DeepSeek-R1"));

        using var answer = await bridge.PostAsync("/v1/chat/completions", Ask.OpenAI("r1"), Token);

        Assert.Contains("\"model\":\"deepseek-ai/DeepSeek-R1\"", await answer.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
        Assert.Equal("deepseek-ai/DeepSeek-R1", answer.Headers.GetValues("X-Bridge-Model").Single());
        Assert.Contains("\"id\":\"r1\"", await bridge.Client.GetStringAsync("/v1/models", Token), StringComparison.Ordinal);
        Assert.DoesNotContain("r1\"", await bridge.Client.GetStringAsync("/api/tags", Token), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/api/chat", """ { "options" : {"model":"inner","num_predict":2,"x":1e400},"Messages":[{"role":"user","content":"gpt-4 \u00e9"}] , "model" :  "gpt-4","stream":false }  trailing""")]
    [InlineData("/api/chat", """{"model":"other","model":"\u0067pt-4:latest","messages":[{"role":"user","content":"é"}],"stream":false}""")]
    [InlineData("/v1/chat/completions", """{"messages":[{"role":"user","content":"x"}],"max_tokens":2,"unknown":[1.0,{}],"model":"GPT-4"}""")]
    [InlineData("/v1/messages", """{"max_tokens":2,"model":"gpt-4","messages":[{"role":"user","content":"x"}]}""")]
    public async Task Alias_Body_OnlyModelReplaced(string path, string body)
    {
        await using var two = await TwoModels.StartAsync();
        await using var bridge = await two.BridgeAsync(("Bridge:Models:0:Name", "gpt-4"), ("Bridge:Models:0:Target", First));

        using var answer = await bridge.Client.PostAsync(path, new StringContent(body, Encoding.UTF8, "application/json"), Token);

        Assert.Equal(First, answer.Headers.GetValues("X-Bridge-Model").Single());
        Assert.Contains($"\"model\":\"{First}\"", await answer.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
        var sent = two.First.Statistics.Seen.Single(r => r.Path == path);
        var expected = body;
        foreach (var written in new[] { "\"gpt-4\"", "\"GPT-4\"", "\"\\u0067pt-4:latest\"" })
            expected = expected.Replace(written, $"\"{First}\"", StringComparison.Ordinal);
        Assert.NotEqual(body, expected);
        Assert.Equal(expected, Encoding.UTF8.GetString(sent.Body.Span));
        Assert.Equal(Encoding.UTF8.GetByteCount(expected), int.Parse(sent.Headers["Content-Length"], System.Globalization.CultureInfo.InvariantCulture));
    }

    [Theory]
    [InlineData("/api/chat")]
    [InlineData("/v1/chat/completions")]
    public async Task Alias_StreamInterrupted_ResumedWithTargetModel(string path)
    {
        await using var fleet = await TestFleet.StartAsync(2, models: First);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers, ("Bridge:Models:0:Name", "gpt-4"), ("Bridge:Models:0:Target", First));
        var body = path == "/api/chat" ? Ask.Chat("gpt-4", stream: true, tokens: 9) : Ask.OpenAI("gpt-4", stream: true, tokens: 9);
        using var whole = await bridge.PostAsync(path, body, Token);
        foreach (var server in fleet.Servers)
            server.Faults.Add(new Fault { Kind = FaultKind.CutAfterTokens, AfterTokens = 3, Times = 1, Path = path });

        using var answer = await bridge.PostAsync(path, body, Token);
        var text = await answer.Content.ReadAsStringAsync(Token);

        Assert.Contains(path == "/api/chat" ? "\"done\":true" : "[DONE]", text, StringComparison.Ordinal);
        Assert.Equal(Contents(await whole.Content.ReadAsStringAsync(Token)), Contents(text));
        Assert.DoesNotContain("gpt-4", text, StringComparison.Ordinal);
    }

    private static string Contents(string stream) =>
        string.Concat(System.Text.RegularExpressions.Regex.Matches(stream, "\"content\":\"([^\"]*)\"").Select(m => m.Groups[1].Value));

    [Fact]
    public async Task Alias_FallbackAfterTarget_BodyNamesModelOfEachAttempt()
    {
        await using var two = await TwoModels.StartAsync();
        await using var bridge = await two.BridgeAsync(
            ("Bridge:Models:0:Name", "gpt-4"), ("Bridge:Models:0:Target", First), ("Bridge:Models:0:Fallbacks:0", "not-here"), ("Bridge:Models:0:Fallbacks:1", Second));
        two.First.Faults.Add(new Fault { Kind = FaultKind.Status, Status = 503 });
        const string Body = """{"messages":[{"role":"user","content":"x"}],"model":"gpt-4","stream":false}""";

        using var answer = await bridge.Client.PostAsync("/api/chat", new StringContent(Body, Encoding.UTF8, "application/json"), Token);

        Assert.Equal(Second, answer.Headers.GetValues("X-Bridge-Model").Single());
        Assert.Equal(Body.Replace("gpt-4", First, StringComparison.Ordinal), SentTo(two.First));
        Assert.Equal(Body.Replace("gpt-4", Second, StringComparison.Ordinal), SentTo(two.Second));
    }

    [Fact]
    public async Task Start_CyclicFallbackChain_Fails()
    {
        var error = await Assert.ThrowsAsync<Microsoft.Extensions.Options.OptionsValidationException>(() => TestBridge.StartAsync(
            [], ("Bridge:Models:0:Name", "a"), ("Bridge:Models:0:Fallbacks:0", "b"), ("Bridge:Models:0:Fallbacks:1", "a")));
        Assert.Contains("Bridge:Models:0:Fallbacks:1", error.Message, StringComparison.Ordinal);
    }

    private static string SentTo(SimulatedServer server) => Encoding.UTF8.GetString(server.Statistics.Seen.Single(r => r.Path == "/api/chat").Body.Span);

    private static string Words(int count) => string.Join(' ', Enumerable.Repeat("word", count));

    private static async Task AnsweredByTheSecondAsync(TestBridge bridge, string path, bool stream)
    {
        object body = path switch
        {
            "/api/chat" => Ask.Chat(First, stream),
            "/v1/messages" => Ask.Anthropic(First, stream),
            _ => Ask.OpenAI(First, stream),
        };
        using var answer = await bridge.PostAsync(path, body, Token);
        var text = await answer.Content.ReadAsStringAsync(Token);
        Assert.True(answer.StatusCode == HttpStatusCode.OK, $"{answer.StatusCode}: {text}");
        Assert.Equal(Second, answer.Headers.GetValues("X-Bridge-Model").Single());
        Assert.Contains($"\"model\":\"{Second}\"", text, StringComparison.Ordinal);
        Assert.DoesNotContain($"\"model\":\"{First}\"", text, StringComparison.Ordinal);
        if (stream)
            Assert.Contains(path switch { "/api/chat" => "\"done\":true", "/v1/messages" => "message_stop", _ => "[DONE]" }, text, StringComparison.Ordinal);
    }
}

/// <summary>Two servers with different models.</summary>
internal sealed class TwoModels : IAsyncDisposable
{
    public required SimulatedServer First { get; init; }

    public required SimulatedServer Second { get; init; }

    public IReadOnlyList<SimulatedServer> Servers => [First, Second];

    public static async Task<TwoModels> StartAsync(int context = 4096) => new()
    {
        First = await StartAsync("llama3:8b", context),
        Second = await StartAsync("llama3:1b", 4096),
    };

    public Task<TestBridge> BridgeAsync(params (string Key, string Value)[] settings) => TestBridge.StartAsync(Servers, settings);

    public async ValueTask DisposeAsync()
    {
        await First.DisposeAsync();
        await Second.DisposeAsync();
    }

    private static Task<SimulatedServer> StartAsync(string model, int context) => SimulatedServer.StartAsync(
        SimulatorOptions.Instant with { ParallelSlots = 4, ContextLength = context, Store = new ModelStore([TestFleet.Plain(model)]) },
        TestContext.Current.CancellationToken);
}

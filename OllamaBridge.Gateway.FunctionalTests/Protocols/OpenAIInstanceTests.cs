using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Gateway.Tenants;
using OllamaBridge.Simulator;
using OllamaBridge.Testing;

namespace OllamaBridge.Gateway.FunctionalTests.Protocols;

/// <summary>Servers that support only OpenAI's API, beside Ollama servers: each client sees the models that its protocol can use.</summary>
public sealed class OpenAIInstanceTests
{
    private const string Id = "deepseek-ai/DeepSeek-R1";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Chat_ModelOnOpenAIServer_ServedThere(bool stream)
    {
        await using var fleet = await MixedFleet.StartAsync();
        await using var bridge = await fleet.BridgeAsync();

        using var answer = await bridge.PostAsync("/v1/chat/completions", Ask.OpenAI(Id, stream), Token);
        var body = await answer.Content.ReadAsStringAsync(Token);

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal("sim-3", answer.Headers.GetValues("X-Bridge-Instance").Single());
        Assert.False(answer.Headers.Contains("X-Bridge-Model"));
        Assert.Contains($"\"model\":\"{Id}\"", body, StringComparison.Ordinal);
        Assert.Equal(stream, body.EndsWith("data: [DONE]\n\n", StringComparison.Ordinal));
        Assert.Equal(0, fleet.Ollama.Sum(s => s.Requests));
    }

    [Theory]
    [InlineData("/v1/completions", "{\"model\":\"ID\",\"prompt\":\"Why?\",\"max_tokens\":4}")]
    [InlineData("/v1/embeddings", "{\"model\":\"nomic/Embed-Text\",\"input\":\"Why?\"}")]
    public async Task Send_OtherRoutesOfOpenAIServer_Served(string path, string body)
    {
        await using var fleet = await MixedFleet.StartAsync();
        await using var bridge = await fleet.BridgeAsync();

        using var answer = await PostAsync(bridge, path, body.Replace("ID", Id, StringComparison.Ordinal));

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal("sim-3", answer.Headers.GetValues("X-Bridge-Instance").Single());
    }

    [Theory]
    [InlineData("/api/chat")]
    [InlineData("/api/generate")]
    [InlineData("/api/show")]
    [InlineData("/v1/responses")]
    [InlineData("/v1/messages")]
    public async Task Send_RouteNotOnOpenAIServer_404WithoutAttempt(string path)
    {
        await using var fleet = await MixedFleet.StartAsync();
        await using var bridge = await fleet.BridgeAsync();

        using var answer = await PostAsync(bridge, path, $$"""{"model":"{{Id}}","prompt":"x","input":"x","max_tokens":3,"messages":[{"role":"user","content":"x"}]}""");

        Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
        Assert.Contains("not found", await answer.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
        Assert.DoesNotContain(fleet.OpenAI.Statistics.Seen, r => r.Path == path);
    }

    [Fact]
    public async Task Send_ModelOnBothKinds_OllamaRequestsOnlyToOllamaServers()
    {
        await using var fleet = await MixedFleet.StartAsync(TestFleet.Model);
        await using var bridge = await fleet.BridgeAsync();

        for (var i = 0; i < 12; i++)
            foreach (var (path, body) in new[] { ("/api/chat", Ask.Chat(stream: false, text: $"{i}")), ("/v1/chat/completions", Ask.OpenAI()) })
            {
                using var answer = await bridge.PostAsync(path, body, Token);
                Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            }

        Assert.True(fleet.OpenAI.Statistics.Requests > 0);
        Assert.DoesNotContain(fleet.OpenAI.Statistics.Seen, r => r.Path.StartsWith("/api", StringComparison.Ordinal));
        // Health probes use its own route, too.
        Assert.Contains(fleet.OpenAI.Statistics.Seen, r => r.Path == "/health");
    }

    [Fact]
    public async Task Send_OllamaServersBusy_OpenAIRequestsUseOpenAIServer()
    {
        await using var fleet = await MixedFleet.StartAsync(TestFleet.Model);
        await using var bridge = await fleet.BridgeAsync();
        foreach (var server in fleet.Ollama.Servers)
            server.Faults.Add(new Fault { Kind = FaultKind.Frozen });
        // Requests for all slots of both Ollama servers, and one that waits.
        var native = Enumerable.Range(0, 9).Select(i => bridge.PostAsync("/api/chat", Ask.Chat(stream: false, text: $"{i}"), Token)).ToArray();
        await Eventually.BecomesAsync(() => bridge.Queue.Count == 1, TimeSpan.FromSeconds(20));

        using var answer = await bridge.PostAsync("/v1/chat/completions", Ask.OpenAI(), Token);

        Assert.Equal("sim-3", answer.Headers.GetValues("X-Bridge-Instance").Single());
        foreach (var server in fleet.Ollama.Servers)
            server.Faults.Clear();
        foreach (var pending in native)
            Assert.Equal(HttpStatusCode.OK, (await pending).StatusCode);
    }

    [Fact]
    public async Task Inventory_MixedFleet_EachProtocolListsUsableModels()
    {
        await using var fleet = await MixedFleet.StartAsync();
        await using var bridge = await fleet.BridgeAsync();

        var tags = await bridge.Client.GetStringAsync("/api/tags", Token);
        var running = await bridge.Client.GetStringAsync("/api/ps", Token);
        var models = (await bridge.GetJsonAsync("/v1/models"))["data"]!.AsArray();

        Assert.DoesNotContain(Id, tags, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain(Id, running, StringComparison.OrdinalIgnoreCase);
        Assert.Equal([TestFleet.Model, Id, "nomic/Embed-Text"], models.Select(m => m!["id"]!.GetValue<string>()));
        Assert.Equal("vllm", models[1]!["owned_by"]!.GetValue<string>());
        Assert.DoesNotContain("/models/", models.ToJsonString(), StringComparison.Ordinal);
        var report = (await bridge.GetJsonAsync("/bridge/instances")).AsArray()[2]!;
        Assert.Equal("openai", report["kind"]!.GetValue<string>());
        Assert.Equal(2, report["loaded"]!.AsArray().Count);
    }

    [Theory]
    [InlineData("/v1/models/deepseek-ai/DeepSeek-R1", 200)]
    [InlineData("/v1/models/deepseek-ai%2FDeepSeek-R1", 200)]
    [InlineData("/v1/models/deepseek-ai%2Fdeepseek-r1", 404)]
    [InlineData("/v1/models/deepseek-ai/other", 404)]
    [InlineData("/v1/models/deepseek-r1:7b", 200)]
    public async Task Model_ById_AsListed(string path, int status)
    {
        await using var fleet = await MixedFleet.StartAsync();
        await using var bridge = await fleet.BridgeAsync();

        using var answer = await bridge.Client.GetAsync(path, Token);

        Assert.Equal(status, (int)answer.StatusCode);
        if (status == 200)
            Assert.Equal(path.Contains("ai", StringComparison.Ordinal) ? Id : TestFleet.Model, JsonNode.Parse(await answer.Content.ReadAsStringAsync(Token))!["id"]!.GetValue<string>());
    }

    [Fact]
    public async Task Send_IdInAnotherCase_404()
    {
        await using var fleet = await MixedFleet.StartAsync();
        await using var bridge = await fleet.BridgeAsync();

        using var answer = await bridge.PostAsync("/v1/chat/completions", Ask.OpenAI(Id.ToLowerInvariant()), Token);

        Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
        Assert.Equal(0, fleet.OpenAI.Statistics.Requests);
    }

    [Fact]
    public async Task Send_AmbiguousModelKeys_RefusedWithReason()
    {
        await using var fleet = await MixedFleet.StartAsync();
        await using var bridge = await fleet.BridgeAsync();
        bridge.Tenant = new Tenant { Id = "team", Models = new ModelAccess([Id]) };

        // Ollama uses the last key, and vLLM the lower-case one.
        using var answer = await PostAsync(bridge, "/v1/chat/completions",
            $$"""{"model":"nomic/Embed-Text","Model":"{{Id}}","messages":[{"role":"user","content":"x"}]}""");

        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Contains("lower case", await answer.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
        Assert.Equal(0, fleet.OpenAI.Statistics.Requests);
    }

    [Fact]
    public async Task Send_ModelNotAllowedForTenant_404()
    {
        await using var fleet = await MixedFleet.StartAsync();
        await using var bridge = await fleet.BridgeAsync();
        bridge.Tenant = new Tenant { Id = "team", Models = new ModelAccess([TestFleet.Model]) };

        using var answer = await bridge.PostAsync("/v1/chat/completions", Ask.OpenAI(Id), Token);
        // A request without a model name must not reach the server's default model.
        using var nameless = await PostAsync(bridge, "/v1/chat/completions", """{"messages":[{"role":"user","content":"x"}]}""");

        Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
        Assert.Equal(HttpStatusCode.BadRequest, nameless.StatusCode);
        Assert.Equal(0, fleet.OpenAI.Statistics.Requests);
        Assert.DoesNotContain(Id, await bridge.Client.GetStringAsync("/v1/models", Token), StringComparison.Ordinal);
    }

    [Fact]
    public async Task ApiKey_Configured_SentOnlyToItsInstance()
    {
        await using var fleet = await MixedFleet.StartAsync(apiKey: "sk-the-servers-own");
        await using var bridge = await fleet.BridgeAsync(("Bridge:Instances:2:ApiKey", "sk-the-servers-own"), ("Logging:LogLevel:Default", "Trace"));

        using var there = await bridge.PostAsync("/v1/chat/completions", Ask.OpenAI(Id), Token);
        using var here = await bridge.PostAsync("/v1/chat/completions", Ask.OpenAI(), Token);

        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.OK), (there.StatusCode, here.StatusCode));
        Assert.All(fleet.OpenAI.Statistics.Seen, r => Assert.Equal("Bearer sk-the-servers-own", r.Headers["Authorization"]));
        Assert.DoesNotContain(fleet.Ollama.Servers.SelectMany(s => s.Statistics.Seen), r => r.Headers.ContainsKey("Authorization"));
        Assert.DoesNotContain(bridge.Logs.Lines, l => l.Contains("sk-the-servers-own", StringComparison.Ordinal));
        Assert.DoesNotContain("sk-the", await bridge.Client.GetStringAsync("/bridge/instances", Token), StringComparison.Ordinal);
        Assert.DoesNotContain("sk-the", await there.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
    }

    [Fact]
    public async Task ApiKey_Wrong_CountsAsInstanceFailure()
    {
        await using var fleet = await MixedFleet.StartAsync(apiKey: "sk-right");
        await using var bridge = await fleet.BridgeAsync(
            ("Bridge:Instances:2:ApiKey", "sk-wrong"), ("Bridge:Instances:2:Models:0", Id), ("Bridge:Queue:MaxWaitWithoutInstance", "00:00:00.2"));

        // The server's health route needs no key, so only requests reveal the wrong key.
        using var answer = await bridge.PostAsync("/v1/chat/completions", Ask.OpenAI(Id), Token);

        Assert.Equal(HttpStatusCode.BadGateway, answer.StatusCode);
        Assert.DoesNotContain("sk-", await answer.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Models_ConfiguredButServerAway_503InsteadOf404()
    {
        await using var fleet = await MixedFleet.StartAsync();
        await fleet.OpenAI.KillAsync();
        await using var bridge = await fleet.BridgeAsync(
            ("Bridge:Instances:2:Models:0", Id), ("Bridge:Queue:MaxWaitWithoutInstance", "00:00:00.2"));

        using var answer = await bridge.PostAsync("/v1/chat/completions", Ask.OpenAI(Id), Token);

        Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
        Assert.NotNull(answer.Headers.RetryAfter);
        await fleet.OpenAI.RestartAsync(Token);
        await bridge.UntilAsync(s => s.Instances[2].Status == InstanceStatus.Healthy, "the server is back");
        using var again = await bridge.PostAsync("/v1/chat/completions", Ask.OpenAI(Id), Token);
        Assert.Equal(HttpStatusCode.OK, again.StatusCode);
    }

    [Fact]
    public async Task Fleet_OnlyOpenAIServers_OllamaOperationsRefusedImmediately()
    {
        await using var fleet = await MixedFleet.StartAsync();
        await using var bridge = await TestBridge.StartAsync([fleet.OpenAI]);

        using var pull = await bridge.PostAsync("/api/pull", new { model = "x" }, Token);
        using var nameless = await PostAsync(bridge, "/v1/chat/completions", """{"messages":[]}""");
        using var chat = await bridge.PostAsync("/v1/chat/completions", Ask.OpenAI(Id), Token);

        Assert.Equal(HttpStatusCode.NotFound, pull.StatusCode);
        Assert.Contains("no instance of this fleet", await pull.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.BadRequest, nameless.StatusCode);
        Assert.Equal(HttpStatusCode.OK, chat.StatusCode);
    }

    [Fact]
    public async Task Chat_OneOfTwoOpenAIServersDies_FailsOver()
    {
        await using var fleet = await MixedFleet.StartAsync();
        await using var second = await SimulatedServer.StartAsync(fleet.OpenAI.Options with { Port = 0 }, Token);
        await using var bridge = await TestBridge.StartAsync([fleet.OpenAI, second]);
        using var first = await bridge.PostAsync("/v1/chat/completions", Ask.OpenAI(Id), Token);
        var dying = first.Headers.GetValues("X-Bridge-Instance").Single() == "sim-1" ? fleet.OpenAI : second;
        dying.Faults.Add(new Fault { Kind = FaultKind.Die });

        for (var i = 0; i < 4; i++)
        {
            using var answer = await bridge.PostAsync("/v1/chat/completions", Ask.OpenAI(Id, stream: i % 2 == 0), Token);
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        }

        Assert.False(dying.IsAlive);
    }

    [Theory]
    [InlineData("/v1/chat/completions", FaultKind.CutAfterTokens)]
    [InlineData("/v1/chat/completions", FaultKind.EndEarly)]
    [InlineData("/v1/chat/completions", FaultKind.ErrorLine)]
    [InlineData("/v1/completions", FaultKind.CutAfterTokens)]
    public async Task Stream_OpenAIServerInterrupts_ResumedIdentically(string path, FaultKind kind)
    {
        await using var fleet = await MixedFleet.StartAsync();
        await using var second = await SimulatedServer.StartAsync(fleet.OpenAI.Options with { Port = 0 }, Token);
        await using var bridge = await TestBridge.StartAsync([fleet.OpenAI, second]);
        var body = path == "/v1/completions"
            ? (object)new { model = Id, prompt = "Why?", seed = 3, max_tokens = 9, stream = true, stream_options = new { include_usage = true } }
            : new { model = Id, messages = new[] { new { role = "user", content = "Why?" } }, seed = 3, stream = true, stream_options = new { include_usage = true } };
        using var whole = await bridge.PostAsync(path, body, Token);
        var expected = Words(await whole.Content.ReadAsStringAsync(Token));
        var last = whole;
        for (var i = 0; i < 2; i++)
        {
            // Only one instance fails: if both returned the same error, it would be attributed to the request.
            var breaking = last.Headers.GetValues("X-Bridge-Instance").Single() == "sim-1" ? fleet.OpenAI : second;
            breaking.Faults.Add(new Fault { Kind = kind, AfterTokens = 4, Times = 1 });
            using var answer = last = await bridge.PostAsync(path, body, Token);
            var text = await answer.Content.ReadAsStringAsync(Token);

            Assert.EndsWith("data: [DONE]\n\n", text, StringComparison.Ordinal);
            Assert.Equal(expected, Words(text));
            Assert.Single(text.Split("\n\n").Where(e => e.StartsWith("data: {", StringComparison.Ordinal)).Select(e => JsonNode.Parse(e[6..])!["id"]!.GetValue<string>()).Distinct());
        }

        Assert.DoesNotContain(fleet.OpenAI.Statistics.Seen.Concat(second.Statistics.Seen), r => r.Path.StartsWith("/api", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Instances_AddedAtRunTime_HaveRequestedKind()
    {
        await using var fleet = await MixedFleet.StartAsync();
        await using var bridge = await TestBridge.StartAsync(fleet.Ollama.Servers);

        using var added = await PostAsync(bridge, "/bridge/instances", $$"""{"name":"vllm","url":"{{fleet.OpenAI.Url}}","kind":"OpenAI","slots":2}""");
        using var wrong = await PostAsync(bridge, "/bridge/instances", """{"name":"x","url":"http://x","models":["a"]}""");
        using var answer = await bridge.PostAsync("/v1/chat/completions", Ask.OpenAI(Id), Token);

        Assert.Equal(HttpStatusCode.Created, added.StatusCode);
        Assert.Equal("openai", JsonNode.Parse(await added.Content.ReadAsStringAsync(Token))!["kind"]!.GetValue<string>());
        Assert.Equal(HttpStatusCode.BadRequest, wrong.StatusCode);
        Assert.Equal("vllm", answer.Headers.GetValues("X-Bridge-Instance").Single());
    }

    private static string Words(string stream) => string.Concat(stream.Split("\n\n")
        .Where(e => e.StartsWith("data: {", StringComparison.Ordinal))
        .Select(e => JsonNode.Parse(e[6..])!["choices"]!.AsArray())
        .Where(c => c.Count > 0)
        .Select(c => (c[0]!["delta"]?["content"] ?? c[0]!["text"])?.GetValue<string>() ?? ""));

    private static Task<HttpResponseMessage> PostAsync(TestBridge bridge, string path, string body) =>
        bridge.Client.PostAsync(path, new StringContent(body, Encoding.UTF8, "application/json"), Token);
}

/// <summary>Two Ollama servers, then one that supports only OpenAI's API.</summary>
internal sealed class MixedFleet : IAsyncDisposable
{
    public required TestFleet Ollama { get; init; }

    public required SimulatedServer OpenAI { get; init; }

    public static async Task<MixedFleet> StartAsync(string id = "deepseek-ai/DeepSeek-R1", string? apiKey = null, int context = 4096) => new()
    {
        Ollama = await TestFleet.StartAsync(2),
        OpenAI = await SimulatedServer.StartAsync(
            SimulatorOptions.Instant with
            {
                Kind = SimulatorKind.OpenAI,
                ParallelSlots = 4,
                ApiKey = apiKey,
                ContextLength = context,
                Served = [TestFleet.Plain(id), SimulatedModel.Named("nomic/Embed-Text")],
            },
            TestContext.Current.CancellationToken),
    };

    public Task<TestBridge> BridgeAsync(params (string Key, string Value)[] settings) =>
        TestBridge.StartAsync([.. Ollama.Servers, OpenAI], settings);

    public async ValueTask DisposeAsync()
    {
        await Ollama.DisposeAsync();
        await OpenAI.DisposeAsync();
    }
}

using System.Net;
using System.Text.Json.Nodes;
using Microsoft.Extensions.DependencyInjection;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Gateway.Quotas;
using OllamaBridge.Gateway.Tenants;
using OllamaBridge.Simulator;
using OllamaBridge.Testing;

namespace OllamaBridge.Gateway.FunctionalTests.Quotas;

/// <summary>Tenant limits and limits of every request, from the view of a client.</summary>
public sealed class LimitTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("/api/chat", "x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests")]
    [InlineData("/v1/chat/completions", "x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests")]
    [InlineData("/v1/messages", "anthropic-ratelimit-requests-limit", "anthropic-ratelimit-requests-remaining", "anthropic-ratelimit-requests-reset")]
    public async Task Post_RequestLimitExceeded_429InClientsProtocolWithHeaders(string path, string limit, string remaining, string reset)
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        bridge.Tenant = Limited(new TenantLimits { RequestsPerSecond = 0.001, TokensPerDay = 100_000 });

        using var first = await bridge.PostAsync(path, Body(path), Token);
        using var second = await bridge.PostAsync(path, Body(path), Token);

        Assert.Equal(HttpStatusCode.OK, first.StatusCode);
        Assert.Equal(HttpStatusCode.TooManyRequests, second.StatusCode);
        Assert.InRange(second.Headers.RetryAfter!.Delta!.Value.TotalSeconds, 900, 1000);
        foreach (var answer in new[] { first, second })
        {
            Assert.Equal("1", Header(answer, limit));
            Assert.Equal("0", Header(answer, remaining));
            Assert.NotEmpty(Header(answer, reset));
            Assert.Equal("100000", Header(answer, limit.Replace("requests", "tokens", StringComparison.Ordinal)));
        }

        var error = JsonNode.Parse(await second.Content.ReadAsStringAsync(Token))!;
        Assert.Equal("rate limit reached: 0.001 requests a second", path == "/api/chat" ? error["error"]!.GetValue<string>() : error["error"]!["message"]!.GetValue<string>());
        if (path != "/api/chat")
            Assert.Equal("rate_limit_error", error["error"]!["type"]!.GetValue<string>());
        if (path == "/v1/chat/completions")
            Assert.Equal("rate_limit_exceeded", error["error"]!["code"]!.GetValue<string>());
        Assert.Equal(1, fleet[0].Statistics.Requests);
    }

    [Theory]
    [InlineData("/api/chat", false)]
    [InlineData("/api/chat", true)]
    [InlineData("/v1/chat/completions", false)]
    [InlineData("/v1/messages", false)]
    [InlineData("/v1/messages", true)]
    public async Task Post_Success_SettledToReportedTokens(string path, bool stream)
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        bridge.Tenant = Limited(new TenantLimits { TokensPerDay = 10_000, Models = [new ModelLimits { Model = TestFleet.Model, TokensPerMinute = 9_000 }] });

        using var answer = await bridge.PostAsync(path, Body(path, stream), Token);
        var text = await answer.Content.ReadAsStringAsync(Token);

        // The model's limit is lower than the tenant's.
        Assert.Equal("9000", Header(answer, path == "/v1/messages" ? "anthropic-ratelimit-tokens-limit" : "x-ratelimit-limit-tokens"));
        await SettledAsync(bridge);
        var told = stream && path == "/api/chat" ? Usage(JsonNode.Parse(text.TrimEnd().Split('\n')[^1])!) : stream ? -1 : Usage(JsonNode.Parse(text)!);
        var spent = Quotas(bridge).Read("team", null, c => c.SpentInDay);
        Assert.InRange(spent, 1, 200);
        if (told >= 0)
            Assert.Equal(told, spent);
        Assert.Equal(spent, Quotas(bridge).Read("team", "deepseek-r1:7b", c => c.SpentInMinute));
    }

    [Fact]
    public async Task Embed_Success_PromptTokensCounted()
    {
        await using var fleet = await TestFleet.StartAsync(1, null, "nomic-embed-text");
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        bridge.Tenant = Limited(new TenantLimits { TokensPerDay = 10_000 });

        using var answer = await bridge.PostAsync("/api/embed", new { model = "nomic-embed-text", input = "one two three" }, Token);
        var told = JsonNode.Parse(await answer.Content.ReadAsStringAsync(Token))!["prompt_eval_count"]!.GetValue<long>();

        await SettledAsync(bridge);
        Assert.Equal(told, Quotas(bridge).Read("team", null, c => c.SpentInDay));
    }

    [Fact]
    public async Task Chat_TokensExhausted_429UntilMinuteHasPassed()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        bridge.Tenant = Limited(new TenantLimits { TokensPerMinute = 70 });

        var answers = new List<HttpResponseMessage>();
        for (var i = 0; i < 20 && answers.All(a => a.IsSuccessStatusCode); i++)
        {
            answers.Add(await bridge.PostAsync("/api/chat", Ask.Chat(stream: false), Token));
            await SettledAsync(bridge);
        }

        Assert.InRange(answers.Count, 2, 10);
        Assert.Equal(HttpStatusCode.TooManyRequests, answers[^1].StatusCode);
        Assert.InRange(answers[^1].Headers.RetryAfter!.Delta!.Value.TotalSeconds, 30, 61);
        Assert.InRange(Quotas(bridge).Read("team", null, c => c.SpentInMinute), 1, 70);
    }

    [Fact]
    public async Task Chat_RequestExceedsWholeLimit_429WithoutRetryAfter()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        bridge.Tenant = Limited(new TenantLimits { TokensPerMinute = 100 });

        using var answer = await bridge.PostAsync("/v1/chat/completions", Ask.OpenAI(tokens: 500), Token);

        Assert.Equal(HttpStatusCode.TooManyRequests, answer.StatusCode);
        Assert.Null(answer.Headers.RetryAfter);
        Assert.Equal("false", Header(answer, "x-should-retry"));
        Assert.Contains("more than the limit of 100 tokens a minute", await answer.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Chat_ConcurrencyLimitOne_429UntilFirstEnds()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        bridge.Tenant = Limited(new TenantLimits { ConcurrentRequests = 1 });
        fleet[0].Faults.Add(new Fault { Kind = FaultKind.Frozen });
        var running = bridge.PostAsync("/api/chat", Ask.Chat(stream: false), Token);
        await Eventually.BecomesAsync(() => fleet[0].Statistics.ConcurrentRequests == 1, TimeSpan.FromSeconds(10));

        using var second = await bridge.PostAsync("/api/chat", Ask.Chat(stream: false), Token);
        fleet[0].Faults.Clear();
        using var first = await running;
        await SettledAsync(bridge);
        using var third = await bridge.PostAsync("/api/chat", Ask.Chat(stream: false), Token);

        Assert.Equal((429, 200, 200), ((int)second.StatusCode, (int)first.StatusCode, (int)third.StatusCode));
        Assert.Equal(1, second.Headers.RetryAfter!.Delta!.Value.TotalSeconds);
    }

    [Fact]
    public async Task Chat_ClientDisconnects_SettledToReceivedTokens()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        bridge.Tenant = Limited(new TenantLimits { TokensPerDay = 10_000 });
        fleet[0].Faults.Add(new Fault { Kind = FaultKind.Stall, AfterTokens = 3 });
        using (var answer = await bridge.OpenAsync("/api/chat", Ask.Chat(stream: true, tokens: 5_000), Token))
        {
            await using var stream = await answer.Content.ReadAsStreamAsync(Token);
            Assert.NotEqual(0, await stream.ReadAsync(new byte[100], Token));
            Assert.InRange(Quotas(bridge).Read("team", null, c => c.Reserved), 5_000, 5_100);
        }

        await SettledAsync(bridge);
        Assert.InRange(Quotas(bridge).Read("team", null, c => c.SpentInDay), 2, 100);
    }

    [Fact]
    public async Task Chat_InstancesFail_NoTokensSpent()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        bridge.Tenant = Limited(new TenantLimits { TokensPerDay = 10_000 });
        fleet[0].Faults.Add(new Fault { Kind = FaultKind.Status, Status = 500 });

        using var answer = await bridge.PostAsync("/api/chat", Ask.Chat(stream: false), Token);

        Assert.True((int)answer.StatusCode >= 500);
        await SettledAsync(bridge);
        Assert.Equal(0, Quotas(bridge).Read("team", null, c => c.SpentInDay));
    }

    [Fact]
    public async Task Chat_TenantWithoutLimits_NoHeaders()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);

        using var answer = await bridge.PostAsync("/v1/chat/completions", Ask.OpenAI(), Token);

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.DoesNotContain(answer.Headers, h => h.Key.Contains("ratelimit", StringComparison.OrdinalIgnoreCase));
    }

    [Theory]
    [InlineData("/api/chat", """{"model":"deepseek-r1:7b","messages":[],"options":{"num_predict":101}}""", "options.num_predict is 101; at most 100")]
    [InlineData("/api/generate", """{"model":"deepseek-r1:7b","prompt":"x","options":{"num_predict":-1}}""", "options.num_predict asks for an unlimited response")]
    [InlineData("/api/embed", """{"model":"deepseek-r1:7b","input":"x","options":{"num_ctx":9000}}""", "options.num_ctx is 9000; at most 8192")]
    [InlineData("/api/chat", """{"model":"deepseek-r1:7b","keep_alive":-1}""", "keep_alive asks to keep the model loaded indefinitely")]
    [InlineData("/api/generate", """{"model":"deepseek-r1:7b","keep_alive":"24h"}""", "keep_alive is 86400s; at most 600s")]
    [InlineData("/api/generate", """{"model":"deepseek-r1:7b","prompt":"x","images":["AA","BB"]}""", "the request has 2 images; at most 1")]
    [InlineData("/v1/chat/completions", """{"model":"deepseek-r1:7b","messages":[],"max_completion_tokens":101}""", "max_completion_tokens is 101; at most 100")]
    [InlineData("/v1/messages", """{"model":"deepseek-r1:7b","messages":[],"max_tokens":101}""", "max_tokens is 101; at most 100")]
    public async Task Post_OverRequestCap_400InClientsProtocolNamesCap(string path, string body, string words)
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(
            fleet.Servers,
            ("Bridge:Limits:MaxOutputTokens", "100"),
            ("Bridge:Limits:MaxContext", "8192"),
            ("Bridge:Limits:MaxImages", "1"),
            ("Bridge:Limits:MaxKeepAlive", "00:10:00"));

        using var answer = await bridge.Client.PostAsync(path, new StringContent(body), Token);
        var error = JsonNode.Parse(await answer.Content.ReadAsStringAsync(Token))!["error"]!;
        using var within = await bridge.PostAsync("/api/chat", Ask.Chat(stream: false), Token);

        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Contains(words, path.StartsWith("/v1", StringComparison.Ordinal) ? error["message"]!.GetValue<string>() : error.GetValue<string>(), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.OK, within.StatusCode);
        Assert.Equal(1, fleet[0].Statistics.Requests);
    }

    private static Tenant Limited(TenantLimits limits) => new() { Id = "team", Limits = limits };

    private static QuotaStore Quotas(TestBridge bridge) => bridge.Services.GetRequiredService<QuotaStore>();

    /// <summary>A client receives its response slightly before its quota is settled.</summary>
    private static Task SettledAsync(TestBridge bridge) =>
        Eventually.BecomesAsync(() => Quotas(bridge).Read("team", null, c => c is { InFlight: 0, Reserved: 0 }), TimeSpan.FromSeconds(10));

    private static long Usage(JsonNode answer) => answer["usage"] is { } usage
        ? (usage["prompt_tokens"] ?? usage["input_tokens"])!.GetValue<long>() + (usage["completion_tokens"] ?? usage["output_tokens"])!.GetValue<long>()
        : answer["prompt_eval_count"]!.GetValue<long>() + answer["eval_count"]!.GetValue<long>();

    private static string Header(HttpResponseMessage answer, string name) =>
        answer.Headers.TryGetValues(name, out var values) ? string.Join(',', values) : "";

    private static object Body(string path, bool stream = false) => path switch
    {
        "/api/chat" => Ask.Chat(stream: stream),
        "/v1/messages" => Ask.Anthropic(stream: stream),
        _ => Ask.OpenAI(stream: stream),
    };
}

using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Simulator;

namespace OllamaBridge.Gateway.FunctionalTests.Clients;

/// <summary>The routes of Anthropic's clients other than /v1/messages: the model list and token counts.</summary>
public sealed class AnthropicClientTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Models_AnthropicClient_AnthropicFormatWithPages()
    {
        await using var fleet = await TestFleet.StartAsync(1, null, "a:1b", "b:2b", "c:3b");
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);

        var all = await GetAsync(bridge, "/v1/models");
        var ids = all["data"]!.AsArray().Select(m => (string)m!["id"]!).ToArray();
        Assert.Equal(["a:1b", "b:2b", "c:3b"], ids.Order());
        Assert.All(all["data"]!.AsArray(), m =>
        {
            Assert.Equal("model", (string?)m!["type"]);
            Assert.Equal((string?)m["id"], (string?)m["display_name"]);
            Assert.Matches(@"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$", (string?)m["created_at"]);
        });
        Assert.Equal((false, ids[0], ids[2]), ((bool)all["has_more"]!, (string?)all["first_id"], (string?)all["last_id"]));

        var first = await GetAsync(bridge, "/v1/models?limit=2");
        Assert.Equal((true, ids[1]), ((bool)first["has_more"]!, (string?)first["last_id"]));
        var rest = await GetAsync(bridge, $"/v1/models?limit=2&after_id={ids[1]}");
        Assert.Equal((false, ids[2], ids[2]), ((bool)rest["has_more"]!, (string?)rest["first_id"], (string?)rest["last_id"]));
        var before = await GetAsync(bridge, $"/v1/models?limit=1&before_id={ids[2]}");
        Assert.Equal((true, ids[1]), ((bool)before["has_more"]!, (string?)before["first_id"]));

        var one = await GetAsync(bridge, "/v1/models/a:1b");
        Assert.Equal(("model", "a:1b"), ((string?)one["type"], (string?)one["id"]));
        var missing = await GetAsync(bridge, "/v1/models/nope", 404);
        Assert.Equal(("error", "not_found_error"), ((string?)missing["type"], (string?)missing["error"]!["type"]));
        Assert.Equal("invalid_request_error", (string?)(await GetAsync(bridge, "/v1/models?limit=0", 400))["error"]!["type"]);
        Assert.Equal("invalid_request_error", (string?)(await GetAsync(bridge, "/v1/models?after_id=nope", 400))["error"]!["type"]);
    }

    [Fact]
    public async Task Models_OtherClients_OpenAIFormat()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        Assert.Equal("list", (string?)(await bridge.GetJsonAsync("/v1/models"))["object"]);
    }

    [Fact]
    public async Task CountTokens_ServerSupportsRoute_ServersCount()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        using var client = new HttpClient { BaseAddress = fleet[0].Url };
        using var directly = await client.PostAsJsonAsync("/v1/messages/count_tokens", Ask.Anthropic(), Token);
        using var answer = await bridge.PostAsync("/v1/messages/count_tokens?beta=true", Ask.Anthropic(), Token);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal(await directly.Content.ReadAsStringAsync(Token), await answer.Content.ReadAsStringAsync(Token));
        Assert.Equal("exact", answer.Headers.GetValues("X-Bridge-Token-Count").Single());
        Assert.Equal(0, fleet[0].Statistics.ActiveGenerations);
    }

    [Fact]
    public async Task CountTokens_ServerWithoutRoute_MarkedEstimateAndServerProbedOnce()
    {
        await using var fleet = await TestFleet.StartAsync(1, SimulatorOptions.Instant with { CountsTokens = false });
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        var text = string.Concat(Enumerable.Repeat("word ", 400));
        for (var i = 0; i < 3; i++)
        {
            using var answer = await bridge.PostAsync(
                "/v1/messages/count_tokens", new { model = TestFleet.Model, messages = new[] { new { role = "user", content = text } } }, Token);
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            Assert.Equal("estimate", answer.Headers.GetValues("X-Bridge-Token-Count").Single());
            Assert.InRange((long)JsonNode.Parse(await answer.Content.ReadAsStringAsync(Token))!["input_tokens"]!, 400, 600);
        }

        Assert.Single(fleet[0].Statistics.Seen, r => r.Path == "/v1/messages/count_tokens");
        Assert.DoesNotContain(fleet[0].Statistics.Seen, r => r.Path is "/v1/messages" or "/api/chat" or "/api/generate");
    }

    [Theory]
    [InlineData("""{"model":"nope","messages":[{"role":"user","content":"x"}]}""", 404, "not_found_error")]
    [InlineData("""{"messages":[{"role":"user","content":"x"}]}""", 400, "invalid_request_error")]
    [InlineData("""{"model":"deepseek-r1:7b"}""", 400, "invalid_request_error")]
    [InlineData("""{"model":""", 400, "invalid_request_error")]
    public async Task CountTokens_InvalidRequest_AnthropicError(string body, int status, string type)
    {
        await using var fleet = await TestFleet.StartAsync(1, SimulatorOptions.Instant with { CountsTokens = false });
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        using var answer = await bridge.Client.PostAsync("/v1/messages/count_tokens", new StringContent(body), Token);
        Assert.Equal(status, (int)answer.StatusCode);
        Assert.Equal(type, (string?)JsonNode.Parse(await answer.Content.ReadAsStringAsync(Token))!["error"]!["type"]);
    }

    private static async Task<JsonNode> GetAsync(TestBridge bridge, string path, int status = 200)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path) { Headers = { { "anthropic-version", "2023-06-01" }, { "x-api-key", "unused" } } };
        using var answer = await bridge.Client.SendAsync(request, Token);
        Assert.Equal(status, (int)answer.StatusCode);
        return JsonNode.Parse(await answer.Content.ReadAsStringAsync(Token))!;
    }
}

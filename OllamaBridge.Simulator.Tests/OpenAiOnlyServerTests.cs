using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;

namespace OllamaBridge.Simulator.Tests;

/// <summary>A server with OpenAI's API only, in vLLM's formats.</summary>
public sealed class OpenAiOnlyServerTests : IAsyncLifetime
{
    private const string Id = "Org/Model";
    private SimulatedServer _server = null!;
    private HttpClient _client = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _server = await SimulatedServer.StartAsync(
            SimulatorOptions.Instant with
            {
                Kind = SimulatorKind.OpenAI,
                ContextLength = 100,
                Served = [SimulatedModel.Named(Id) with { AnswerTokens = 20, Capabilities = [ModelCapability.Completion] }],
            },
            Token);
        _client = new HttpClient { BaseAddress = _server.Url };
    }

    public async ValueTask DisposeAsync()
    {
        _client.Dispose();
        await _server.DisposeAsync();
    }

    [Theory]
    [InlineData("/api/tags")]
    [InlineData("/api/version")]
    [InlineData("/")]
    [InlineData("/v1/models/Org/Model")]
    public async Task Get_UnsupportedRoute_404(string path)
    {
        using var answer = await _client.GetAsync(path, Token);
        Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
        Assert.Equal("""{"detail":"Not Found"}""", await answer.Content.ReadAsStringAsync(Token));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(19)]
    public async Task Chat_ContinueFinalMessage_ExactRest(int tokens)
    {
        var whole = await ChatAsync(new { model = Id, messages = User, seed = 3 });
        var begun = await ChatAsync(new { model = Id, messages = User, seed = 3, max_tokens = tokens });
        var rest = await ChatAsync(new
        {
            model = Id,
            seed = 3,
            messages = new[] { User[0], new Message("assistant", begun) },
            continue_final_message = true,
            add_generation_prompt = false,
        });
        Assert.NotEqual(whole, begun);
        Assert.Equal(whole, begun + rest);
    }

    [Fact]
    public async Task Chat_TrailingAssistantMessageWithoutFlag_NewResponse()
    {
        var whole = await ChatAsync(new { model = Id, messages = User, seed = 3 });
        var again = await ChatAsync(new { model = Id, seed = 3, messages = new[] { User[0], new Message("assistant", whole[..10]) } });
        Assert.NotEqual(whole[10..], again);
    }

    [Fact]
    public async Task Chat_ContinueAndGenerationPrompt_400()
    {
        var (status, error) = await FailAsync(new { model = Id, messages = User, continue_final_message = true });
        Assert.Equal(400, status);
        Assert.StartsWith("Cannot set both", error["message"]!.GetValue<string>(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("org/model")]
    [InlineData("Org/Model:latest")]
    public async Task Chat_InexactModelId_404(string id)
    {
        var (status, error) = await FailAsync(new { model = id, messages = User });
        Assert.Equal((404, "error", "NotFoundError", 404), (status, error["object"]!.GetValue<string>(), error["type"]!.GetValue<string>(), error["code"]!.GetValue<int>()));
    }

    [Fact]
    public async Task Chat_LongerThanContext_400()
    {
        var (status, error) = await FailAsync(new { model = Id, messages = User, max_tokens = 99 });
        Assert.Equal(400, status);
        Assert.StartsWith("This model's maximum context length is 100 tokens.", error["message"]!.GetValue<string>(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Chat_Stream_RoleFirstAndUsageOnlyIfRequested(bool usage)
    {
        using var answer = await _client.PostAsJsonAsync("/v1/chat/completions", new { model = Id, messages = User, stream = true, stream_options = new { include_usage = usage } }, Token);
        var events = (await answer.Content.ReadAsStringAsync(Token)).Split("\n\n", StringSplitOptions.RemoveEmptyEntries);

        Assert.Equal("data: [DONE]", events[^1]);
        var first = JsonNode.Parse(events[0]["data: ".Length..])!;
        Assert.Matches("^chatcmpl-[0-9a-f]{32}$", first["id"]!.GetValue<string>());
        Assert.Equal("""{"role":"assistant","content":""}""", first["choices"]![0]!["delta"]!.ToJsonString());
        Assert.DoesNotContain(events, e => e.Contains("system_fingerprint", StringComparison.Ordinal));
        Assert.Equal(usage ? 1 : 0, events.Count(e => e.Contains("\"usage\":{", StringComparison.Ordinal)));
        Assert.All(events[..^1], e => Assert.Contains($"\"model\":\"{Id}\"", e, StringComparison.Ordinal));
    }

    private static Message[] User => [new("user", "Why?")];

    private async Task<string> ChatAsync(object body)
    {
        using var answer = await _client.PostAsJsonAsync("/v1/chat/completions", body, Token);
        var json = JsonNode.Parse(await answer.Content.ReadAsStringAsync(Token))!;
        Assert.True(answer.IsSuccessStatusCode, json.ToJsonString());
        return json["choices"]![0]!["message"]!["content"]!.GetValue<string>();
    }

    private async Task<(int Status, JsonNode Error)> FailAsync(object body)
    {
        using var answer = await _client.PostAsJsonAsync("/v1/chat/completions", body, Token);
        return ((int)answer.StatusCode, JsonNode.Parse(await answer.Content.ReadAsStringAsync(Token))!);
    }

    private sealed record Message(string Role, string Content);
}

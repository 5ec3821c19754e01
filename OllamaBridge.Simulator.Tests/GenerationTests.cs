using System.Net;
using System.Text.Json;
using OllamaBridge.Testing;
using OllamaBridge.Testing.Replay;

namespace OllamaBridge.Simulator.Tests;

/// <summary>Thinking, tools, formats, stop sequences, and clients that disconnect.</summary>
public class GenerationTests
{
    private static readonly SimulatedModel Model = SimulatedModel.Named("deepseek-r1:7b") with { AnswerTokens = 12, ThinkingTokens = 5 };
    private const string Tool =
        """{"type":"function","function":{"name":"get_weather","parameters":{"type":"object","properties":{"city":{"type":"string"}}}}}""";

    [Fact]
    public async Task Chat_ClientDisconnects_GenerationCancelled()
    {
        await using var server = await TestServer.StartAsync(
            SimulatorOptions.Instant with { DecodePerToken = TimeSpan.FromMilliseconds(1) }, Model with { AnswerTokens = int.MaxValue });
        using (var client = new SimulatorClient(server))
        {
            const string Body = """{"model":"deepseek-r1:7b","messages":[{"role":"user","content":"x"}]}""";
            (await client.SendAsync("/api/chat", Body, TestContext.Current.CancellationToken)).Dispose();
        }
        await Poll.UntilAsync(() => server.Statistics is { ActiveGenerations: 0, Cancelled: 1 });
    }

    [Theory]
    [InlineData("""{"think":true,""", true)]
    [InlineData("""{"think":false,""", false)]
    [InlineData("{", true)]
    public async Task Chat_Think_ThoughtsSeparateFromResponse(string open, bool thinks)
    {
        await using var server = await TestServer.StartAsync(SimulatorOptions.Instant, Model);
        using var client = new SimulatorClient(server);
        var message = (await client.JsonAsync("/api/chat", open + """ "model":"deepseek-r1:7b","stream":false,"messages":[{"role":"user","content":"x"}]}"""))
            .GetProperty("message");
        Assert.Equal(thinks, message.TryGetProperty("thinking", out _));
        Assert.DoesNotContain("think>", message.GetProperty("content").GetString());
    }

    [Fact]
    public async Task Chat_ToolNamed_CalledInEveryProtocol()
    {
        await using var server = await TestServer.StartAsync(SimulatorOptions.Instant, Model);
        using var client = new SimulatorClient(server);
        var rest = $$"""
            "model":"deepseek-r1:7b","think":false,"reasoning_effort":"none","max_tokens":500,"tools":[{{Tool}}],"messages":[{"role":"user","content":"please get_weather"}]}
            """;
        var native = await client.JsonAsync("/api/chat", """{"stream":false,""" + rest);
        var call = native.GetProperty("message").GetProperty("tool_calls")[0].GetProperty("function");
        Assert.Equal("get_weather", call.GetProperty("name").GetString());
        Assert.Equal(JsonValueKind.String, call.GetProperty("arguments").GetProperty("city").ValueKind);
        var openAi = (await client.JsonAsync("/v1/chat/completions", "{" + rest)).GetProperty("choices")[0];
        Assert.Equal("tool_calls", openAi.GetProperty("finish_reason").GetString());
        Assert.Equal(JsonValueKind.String, openAi.GetProperty("message").GetProperty("tool_calls")[0].GetProperty("function").GetProperty("arguments").ValueKind);
        var anthropic = (await client.PostAsync("/v1/messages", """{"stream":true,""" + rest)).Body;
        Assert.Contains("\"type\":\"tool_use\"", anthropic);
        Assert.Contains("\"stop_reason\":\"tool_use\"", anthropic);
        Assert.Contains("message_stop", anthropic);
        var streamed = await client.LinesAsync("/api/chat", "{" + rest);
        Assert.Contains(streamed, l => l.Contains("\"tool_calls\":"));
    }

    [Fact]
    public async Task Chat_Schema_ResponseMatchesSchema()
    {
        await using var server = await TestServer.StartAsync(SimulatorOptions.Instant, Model);
        using var client = new SimulatorClient(server);
        var answer = await client.JsonAsync("/api/chat",
            """{"model":"deepseek-r1:7b","stream":false,"think":false,"messages":[{"role":"user","content":"x"}],"format":{"type":"object","properties":{"age":{"type":"integer"},"ok":{"type":"boolean"}}}}""");
        var made = JsonElement.Parse(answer.GetProperty("message").GetProperty("content").GetString()!);
        Assert.Equal(JsonValueKind.Number, made.GetProperty("age").ValueKind);
        Assert.True(made.GetProperty("ok").ValueKind is JsonValueKind.True or JsonValueKind.False);
    }

    [Fact]
    public async Task Generate_StopSequence_EndsBeforeIt()
    {
        await using var server = await TestServer.StartAsync(SimulatorOptions.Instant, Model with { AnswerTokens = 60 });
        using var client = new SimulatorClient(server);
        const string Body = """{"model":"deepseek-r1:7b","prompt":"x","think":false,"stream":false,"options":{"seed":1}}""";
        var whole = await client.GenerateAsync(Body);
        var stopped = await client.GenerateAsync(Body.Replace("\"seed\"", "\"stop\":[\". \"],\"seed\""));
        Assert.Equal(whole[..whole.IndexOf(". ", StringComparison.Ordinal)], stopped);
    }

    [Fact]
    public async Task Responses_Streamed_FromCreatedToCompleted()
    {
        await using var server = await TestServer.StartAsync(SimulatorOptions.Instant, Model);
        using var client = new SimulatorClient(server);
        var (_, body) = await client.PostAsync("/v1/responses", """{"model":"deepseek-r1:7b","stream":true,"input":"hi"}""");
        var events = body.Split('\n').Where(l => l.StartsWith("event: ", StringComparison.Ordinal)).Select(l => l[7..]).ToArray();
        Assert.Equal(("response.created", "response.completed"), (events[0], events[^1]));
        Assert.All(body.Split('\n').Where(l => l.StartsWith("data: ", StringComparison.Ordinal)), l => JsonElement.Parse(l[6..]));
    }

    [Fact]
    public async Task Transcriptions_Form_Text()
    {
        await using var server = await TestServer.StartAsync(SimulatorOptions.Instant, SimulatedModel.Named("whisper"));
        using var client = new HttpClient { BaseAddress = server.Url };
        using var form = new MultipartFormDataContent { { new StringContent("whisper"), "model" }, { new ByteArrayContent(new byte[100_000]), "file", "a.wav" } };
        using var response = await client.PostAsync(new Uri("/v1/audio/transcriptions", UriKind.Relative), form, TestContext.Current.CancellationToken);
        var body = JsonElement.Parse(await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.NotEmpty(body.GetProperty("text").GetString()!);
    }
}

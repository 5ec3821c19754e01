using System.Text;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;
using OllamaBridge.Gateway.Discovery;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Resumption.Liveness;
using OllamaBridge.Testing.Forwarding;

namespace OllamaBridge.Gateway.Tests.Resumption.Liveness;

public sealed class LivenessQueryTests
{
    private static readonly Instance Ollama = new(new InstanceDefinition("i", new Uri("http://127.0.0.1:1"), 1, 0));

    [Theory]
    [InlineData("/api/chat", "/api/chat", true)]
    [InlineData("/api/generate", "/api/generate", false)]
    [InlineData("/api/embed", "/api/embed", false)]
    [InlineData("/api/embeddings", "/api/embeddings", false)]
    [InlineData("/v1/chat/completions", "/api/chat", true)]
    [InlineData("/v1/completions", "/api/generate", false)]
    [InlineData("/v1/embeddings", "/api/embed", false)]
    [InlineData("/v1/responses", "/api/chat", true)]
    [InlineData("/v1/messages", "/api/chat", true)]
    public async Task For_OllamaServer_NativeRequestWithoutPrompt(string path, string asked, bool hasMessages)
    {
        var query = await QueryAsync(path, """{"model":"m","messages":[{"role":"user","content":"secret"}],"prompt":"secret","input":"secret"}""");

        Assert.Equal(asked, query.Path);
        Assert.False(query.HasRunnerOptions);
        Assert.DoesNotContain("secret", query.Body, StringComparison.Ordinal);
        var body = JsonNode.Parse(query.Body)!;
        Assert.Equal("m", (string?)body["model"]);
        Assert.Equal(hasMessages, body["messages"] is JsonArray { Count: 0 });
        Assert.Null(body["prompt"]);
        Assert.Null(body["input"]);
        // The query must not change the model's expiry.
        Assert.Null(body["keep_alive"]);
    }

    [Theory]
    [InlineData("""{"model":"m","options":{"num_ctx":8192,"num_gpu":3,"temperature":0.5},"shift":false,"keep_alive":0}""", 8192, false)]
    [InlineData("""{"MODEL":"m","Options":{"num_ctx":8192},"keep_alive":"5m"}""", 8192, null)]
    [InlineData("""{"model":"m"}""", null, null)]
    [InlineData("""{"model":"m","options":null,"shift":null}""", null, null)]
    [InlineData("""{"model":"m","options":{"num_ctx":1}""", 1, null)]
    public async Task For_NativeRequest_RunnerOptionsRepeated(string body, int? context, bool? shift)
    {
        var query = JsonNode.Parse((await QueryAsync("/api/generate", body)).Body)!;

        Assert.Equal(context, (int?)query["options"]!["num_ctx"]);
        Assert.Equal(shift, (bool?)query["shift"]);
        Assert.Equal(1, (int?)query["options"]!["num_predict"]);
        Assert.Null(query["keep_alive"]);
    }

    [Theory]
    [InlineData("/v1/chat/completions", "max_tokens")]
    [InlineData("/v1/completions", "max_tokens")]
    [InlineData("/v1/embeddings", "input")]
    public async Task For_OpenAIServer_OneTokenGeneration(string path, string field)
    {
        var instance = new Instance(new InstanceDefinition("i", new Uri("http://127.0.0.1:1"), 1, 0) { OpenAI = new OpenAIService([], ApiRoutes.None, null) });

        var query = await QueryAsync(path, """{"model":"m"}""", instance);

        Assert.Equal(path, query.Path);
        Assert.NotNull(JsonNode.Parse(query.Body)![field]);
    }

    [Theory]
    [InlineData("""{"model":"m","options":{"num_gpu":3}}""", true)]
    [InlineData("""{"model":"m","options":{"use_mmap":false}}""", true)]
    [InlineData("""{"model":"m","shift":false}""", true)]
    [InlineData("""{"model":"m","options":{"num_ctx":8192,"temperature":0.5}}""", false)] // the context length is compared with the last one used
    public async Task For_NativeRequest_RunnerOptionsRecognized(string body, bool hasRunnerOptions) =>
        Assert.Equal(hasRunnerOptions, (await QueryAsync("/api/generate", body)).HasRunnerOptions);

    [Fact]
    public async Task For_SameModelAndOptions_Equal()
    {
        Assert.Equal(await QueryAsync("/api/chat", """{"model":"m","messages":[1]}"""), await QueryAsync("/v1/chat/completions", """{"model":"m"}"""));
        Assert.NotEqual(await QueryAsync("/api/chat", """{"model":"m","options":{"num_ctx":1}}"""), await QueryAsync("/api/chat", """{"model":"m"}"""));
    }

    private static async Task<LivenessQuery> QueryAsync(string path, string body, Instance? instance = null)
    {
        var context = new DefaultHttpContext();
        context.Request.Body = new MemoryStream(Encoding.UTF8.GetBytes(body));
        var call = TestCalls.Create(
            path,
            "m:latest",
            new RequestFacts { Model = "m" },
            await ReplayableBody.ReadAsync(context.Request, 10_000, TestContext.Current.CancellationToken));
        return LivenessQuery.For(call, instance ?? Ollama)!.Value;
    }
}

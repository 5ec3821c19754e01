using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;

namespace OllamaBridge.Gateway.FunctionalTests.Protocols;

/// <summary>Requests and responses through the bridge equal those of a direct connection.</summary>
public sealed class DropInTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public static TheoryData<string, string> Bodies => new()
    {
        { "/api/chat", """{"model":"deepseek-r1:7b","messages":[{"role":"user","content":"x"}],"options":{"num_predict":5,"seed":1}}""" },
        { "/api/chat", """{"model":"deepseek-r1:7b","messages":[{"role":"user","content":"x"}],"stream":false,"options":{"num_predict":5,"seed":1}}""" },
        { "/api/generate", """{ "prompt":"a\u00e9b", "model":"DeepSeek-R1:7b", "unknown":[1,{"x":null}], "options":{"num_predict":5,"seed":1}}""" },
        { "/api/embed", """{"model":"nomic-embed-text","input":["a","b"]}""" },
        { "/api/embeddings", """{"model":"nomic-embed-text","prompt":"a"}""" },
        { "/api/show", """{"model":"deepseek-r1:7b"}""" },
        { "/v1/chat/completions", """{"model":"deepseek-r1:7b","messages":[{"role":"user","content":"x"}],"max_tokens":5,"seed":1}""" },
        { "/v1/chat/completions", """{"model":"deepseek-r1:7b","messages":[{"role":"user","content":"x"}],"max_tokens":5,"seed":1,"stream":true,"stream_options":{"include_usage":true}}""" },
        { "/v1/completions", """{"model":"deepseek-r1:7b","prompt":"x","max_tokens":5,"seed":1,"stream":true}""" },
        { "/v1/embeddings", """{"model":"nomic-embed-text","input":"a"}""" },
        { "/v1/responses", """{"model":"deepseek-r1:7b","input":"x","max_output_tokens":5}""" },
        { "/v1/messages", """{"model":"deepseek-r1:7b","max_tokens":5,"messages":[{"role":"user","content":"x"}],"stream":true}""" },
        { "/api/generate", """{"model":"deepseek-r1:7b"}""" },
        { "/api/chat", """{"messages":[]}""" },
        { "/api/generate", """{"model":"","prompt":"x"}""" },
        { "/api/generate", """{"model":"a b/../c","prompt":"x"}""" },
        { "/api/generate", """{"model":"deepseek-r1:7b","prompt":"x","keep_alive":"soon"}""" },
        { "/v1/chat/completions", """{"messages":[{"role":"user","content":"x"}]}""" },
    };

    [Theory]
    [MemberData(nameof(Bodies))]
    public async Task Post_ThroughTheBridge_RequestAndResponseEqualDirectOnes(string path, string body)
    {
        await using var fleet = await TestFleet.StartAsync(1, null, TestFleet.Model, "nomic-embed-text");
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        using var direct = new HttpClient { BaseAddress = fleet[0].Url };

        using var expected = await direct.PostAsync(path, new StringContent(body), Token);
        using var actual = await bridge.Client.PostAsync(path, new StringContent(body), Token);

        Assert.Equal(expected.StatusCode, actual.StatusCode);
        Assert.Equal(expected.Content.Headers.ContentType, actual.Content.Headers.ContentType);
        Assert.Equal(
            Normal.Of(await expected.Content.ReadAsStringAsync(Token)),
            Normal.Of(await actual.Content.ReadAsStringAsync(Token)));
        var sent = fleet[0].Statistics.Seen.Where(r => r.Path == path).ToArray();
        Assert.Equal(2, sent.Length);
        Assert.Equal(body, System.Text.Encoding.UTF8.GetString(sent[1].Body.Span));
    }

    [Theory]
    [InlineData("GET", "/")]
    [InlineData("HEAD", "/")]
    [InlineData("GET", "/api/version")]
    [InlineData("HEAD", "/api/version")]
    [InlineData("GET", "/api/status")]
    [InlineData("GET", "/api/tags")]
    [InlineData("HEAD", "/api/tags")]
    [InlineData("GET", "/api/ps")]
    [InlineData("GET", "/v1/models")]
    [InlineData("GET", "/v1/models/deepseek-r1:7b")]
    [InlineData("GET", "/v1/models/nope")]
    [InlineData("GET", "/api/nothing")]
    [InlineData("GET", "/api/chat")]
    [InlineData("PUT", "/api/chat")]
    [InlineData("POST", "/api/tags")]
    [InlineData("DELETE", "/api/tags")]
    [InlineData("GET", "/v1/chat/completions")]
    [InlineData("GET", "//api/tags")]
    [InlineData("GET", "/api/tags/")]
    [InlineData("POST", "/api/chat/")]
    [InlineData("HEAD", "/api/blobs/sha256:f68ec658761ad1f20691b34d88cfb8af2fc06ef88dce8c800f2be3324861626a")]
    public async Task Get_ThroughTheBridge_ResponseEqualsDirectOne(string method, string path)
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);

        var expected = await RawHttp.SendAsync(fleet[0].Url, $"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        var actual = await RawHttp.SendAsync(bridge.Url, $"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");

        Assert.Equal(RawHttp.Describe(expected), RawHttp.Describe(actual));
    }

    [Fact]
    public async Task Inventory_DifferentModels_Union()
    {
        await using var one = await TestFleet.StartAsync(1, null, "llama3:8b", "deepseek-r1:7b");
        await using var two = await TestFleet.StartAsync(1, null, "deepseek-r1:7b", "qwen3:4b");
        await using var bridge = await TestBridge.StartAsync([one[0], two[0]]);

        var tags = (await bridge.GetJsonAsync("/api/tags"))["models"]!.AsArray();
        var models = (await bridge.GetJsonAsync("/v1/models"))["data"]!.AsArray();

        string[] expected = ["deepseek-r1:7b", "llama3:8b", "qwen3:4b"];
        Assert.Equal(expected, tags.Select(t => t!["name"]!.GetValue<string>()).Order());
        Assert.Equal(expected, models.Select(t => t!["id"]!.GetValue<string>()).Order());
        foreach (var model in expected)
        {
            using var answer = await bridge.PostAsync("/api/chat", Ask.Chat(model, stream: false), Token);
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            using var show = await bridge.PostAsync("/api/show", new { model }, Token);
            Assert.Equal(HttpStatusCode.OK, show.StatusCode);
        }

        await bridge.UntilAsync(s => s.Instances.Sum(i => i.Loaded.Length) >= 2, "the models are seen in memory");
        Assert.NotEmpty((await bridge.GetJsonAsync("/api/ps"))["models"]!.AsArray());
    }

    [Theory]
    [InlineData("/api/chat", """{"model":"nope","messages":[{"role":"user","content":"x"}]}""", """{"error":"model 'nope' not found"}""")]
    [InlineData("/api/generate", """{"model":"nope","prompt":"x","stream":false}""", """{"error":"model 'nope' not found"}""")]
    [InlineData("/api/embed", """{"model":"nope","input":"x"}""", """{"error":"model \"nope\" not found, try pulling it first"}""")]
    [InlineData("/api/show", """{"model":"nope"}""", """{"error":"model 'nope:latest' not found"}""")]
    [InlineData("/api/copy", """{"source":"nope","destination":"nope2"}""", """{"error":"model \"nope\" not found"}""")]
    [InlineData("/v1/chat/completions", """{"model":"nope","stream":true,"messages":[{"role":"user","content":"x"}]}""",
        "{\"error\":{\"message\":\"model 'nope' not found\",\"type\":\"not_found_error\",\"param\":null,\"code\":null}}\n")]
    public async Task Post_UnknownModel_ServersOwn404WithoutAttempt(string path, string body, string expected)
    {
        await using var fleet = await TestFleet.StartAsync(2);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);

        using var answer = await bridge.Client.PostAsync(path, new StringContent(body), Token);

        Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
        Assert.Equal(expected, await answer.Content.ReadAsStringAsync(Token));
        Assert.DoesNotContain(fleet.Servers.SelectMany(s => s.Statistics.Seen), r => r.Method == "POST");
    }

    [Theory]
    [InlineData("smollm")]
    [InlineData("smollm:latest")]
    [InlineData("SmolLM:Latest")]
    [InlineData("library/smollm")]
    [InlineData("registry.ollama.ai/library/smollm:latest")]
    public async Task Post_OtherSpellingOfName_SameModel(string name)
    {
        await using var fleet = await TestFleet.StartAsync(1, null, "smollm");
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);

        using var answer = await bridge.PostAsync("/api/chat", Ask.Chat(name, stream: false), Token);

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal(name, JsonNode.Parse(await answer.Content.ReadAsStringAsync(Token))!["model"]!.GetValue<string>());
    }

    [Fact]
    public async Task Post_Transcription_ModelReadFromForm()
    {
        await using var fleet = await TestFleet.StartAsync(1, null, "whisper");
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        using var form = new MultipartFormDataContent { { new StringContent("whisper"), "model" }, { new ByteArrayContent(new byte[200_000]), "file", "a.wav" } };
        using var unknown = new MultipartFormDataContent { { new StringContent("nope"), "model" }, { new ByteArrayContent(new byte[10]), "file", "a.wav" } };

        using var answer = await bridge.Client.PostAsync("/v1/audio/transcriptions", form, Token);
        using var missing = await bridge.Client.PostAsync("/v1/audio/transcriptions", unknown, Token);

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.NotNull((await answer.Content.ReadFromJsonAsync<JsonNode>(Token))!["text"]);
        Assert.Equal(HttpStatusCode.NotFound, missing.StatusCode);
    }

    [Fact]
    public async Task Post_ClientsSecrets_NotForwardedUnlessConfigured()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        await using var passing = await TestBridge.StartAsync(fleet.Servers, ("Bridge:Forwarding:PassAuthorization", "true"));

        foreach (var client in new[] { bridge.Client, passing.Client })
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "/api/chat") { Content = JsonContent.Create(Ask.Chat(stream: false)) };
            foreach (var name in new[] { "Authorization", "X-Api-Key", "Cookie", "X-Forwarded-For", "X-Bridge-Anything", "Proxy-Authorization" })
                request.Headers.TryAddWithoutValidation(name, "secret-value");
            request.Headers.TryAddWithoutValidation("Origin", "http://localhost:3000");
            request.Headers.TryAddWithoutValidation("X-Custom", "not-needed");
            using var answer = await client.SendAsync(request, Token);
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            Assert.Equal("http://localhost:3000", answer.Headers.GetValues("Access-Control-Allow-Origin").Single());
        }

        var seen = fleet[0].Statistics.Seen.Where(r => r.Path == "/api/chat").ToArray();
        Assert.DoesNotContain(seen[0].Headers.Values, v => v.Contains("secret-value", StringComparison.Ordinal));
        Assert.False(seen[0].Headers.ContainsKey("Origin"));
        Assert.False(seen[0].Headers.ContainsKey("X-Custom"));
        Assert.Equal(fleet[0].Url.Authority, seen[0].Headers["Host"]);
        Assert.Equal(["Authorization"], seen[1].Headers.Where(h => h.Value.Contains("secret-value", StringComparison.Ordinal)).Select(h => h.Key));
        Assert.DoesNotContain(bridge.Logs.Lines, l => l.Contains("secret-value", StringComparison.Ordinal));
    }
}

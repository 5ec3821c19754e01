using System.Net;
using System.Text;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Testing;

namespace OllamaBridge.Gateway.FunctionalTests.Models;

/// <summary>Registries of models and media URLs in requests: nothing is fetched that the operator has not allowed.</summary>
public sealed class ModelSupplyTests
{
    private static readonly string[] Probes = ["/api/version", "/api/ps", "/api/tags"];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("/api/pull", """{"model":"evil.example/ns/m"}""")]
    [InlineData("/api/pull", """{"name":"evil.example/ns/m"}""")]
    [InlineData("/api/pull", """{"MODEL":"http://evil.example/ns/m","insecure":false}""")]
    [InlineData("/api/pull", """{"model":" https://evil.example/ns/m:8b:local"}""")]
    [InlineData("/api/pull", """{"model":"127.0.0.1:8080/ns/m"}""")]
    [InlineData("/api/pull", """{"model":"localhost/ns/m"}""")]
    [InlineData("/api/pull", """{"model":"hf.co.evil.example/ns/m"}""")]
    [InlineData("/api/pull", """{"model":"hf.co:8443/ns/m"}""")]
    [InlineData("/api/push", """{"model":"evil.example/ns/m"}""")]
    [InlineData("/api/create", """{"model":"mine","from":"evil.example/ns/m"}""")]
    [InlineData("/api/create", """{"model":"mine","FROM":" evil.example/ns/m"}""")]
    [InlineData("/api/create", """{"model":"mine","modelfile":"# comment\nPARAMETER seed 1\nfrom  evil.example/ns/m"}""")]
    [InlineData("/api/pull", """{"model":"qwen3:4b","insecure":true}""")]
    [InlineData("/api/pull", """{"model":"qwen3:4b","Insecure":true}""")]
    [InlineData("/api/push", """{"model":"me/qwen3","insecure":true}""")]
    public async Task Change_DisallowedRegistry_403WithReasonAndNoAttempt(string path, string body)
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        using var answer = await bridge.Client.PostAsync(path, Json(body), Token);

        Assert.Equal(HttpStatusCode.Forbidden, answer.StatusCode);
        Assert.Contains("not allowed here", System.Text.Json.Nodes.JsonNode.Parse(await answer.Content.ReadAsStringAsync(Token))!["error"]!.GetValue<string>(), StringComparison.Ordinal);
        Assert.DoesNotContain(fleet[0].Statistics.Seen, r => !Probes.Contains(r.Path));
        await Eventually.BecomesAsync(
            () => bridge.Logs.Lines.Any(l => l.StartsWith("Warning 1865 model.", StringComparison.Ordinal) && l.Contains(" refused ", StringComparison.Ordinal)), TimeSpan.FromSeconds(10));
    }

    [Theory]
    [InlineData("/api/pull", """{"model":"evil.example/ns/ m"}""")]
    [InlineData("/api/pull", """{"model":"user:secret@evil.example/ns/m"}""")]
    [InlineData("/api/push", """{"model":"evil.example/a/b/c/m"}""")]
    public async Task Change_UnresolvableName_400AndNoAttempt(string path, string body)
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        using var answer = await bridge.Client.PostAsync(path, Json(body), Token);

        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.DoesNotContain(fleet[0].Statistics.Seen, r => !Probes.Contains(r.Path));
        Assert.DoesNotContain(bridge.Logs.Lines, l => l.Contains("secret", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("qwen3:4b", null)]
    [InlineData("me/model", null)]
    [InlineData("registry.ollama.ai/library/qwen3:4b", null)]
    [InlineData("ollama.com/library/qwen3:4b", null)]
    [InlineData("hf.co/bartowski/Llama-3.2-1B-Instruct-GGUF", null)]
    [InlineData("huggingface.co/bartowski/Llama-3.2-1B-Instruct-GGUF:Q4_K_M", null)]
    [InlineData("https://HF.co/bartowski/Llama", null)]
    [InlineData("models.lab.example/ns/m", "*.lab.example")]
    [InlineData("10.0.0.9:5000/ns/m", "10.0.0.9:5000")]
    [InlineData("anything.example/ns/m", "*")]
    public async Task Pull_AllowedRegistry_ForwardedToInstance(string model, string? registry)
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers, registry is null ? [] : [("Bridge:Management:Registries:0", registry)]);
        using var answer = await bridge.PostAsync("/api/pull", new { model }, Token);

        Assert.NotEqual(HttpStatusCode.Forbidden, answer.StatusCode);
        Assert.Contains(fleet[0].Statistics.Seen, r => r.Path == "/api/pull");
    }

    [Fact]
    public async Task Pull_RegistriesConfigured_ReplaceDefaults()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers, ("Bridge:Management:Registries:0", "*.lab.example"));
        foreach (var model in (string[])["qwen3:4b", "lab.example/ns/m", "evil-lab.example/ns/m", "hf.co/ns/m"])
        {
            using var answer = await bridge.PostAsync("/api/pull", new { model }, Token);
            Assert.Equal(HttpStatusCode.Forbidden, answer.StatusCode);
        }
    }

    [Fact]
    public async Task Start_InvalidRegistry_Reported()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        var e = await Assert.ThrowsAnyAsync<Exception>(() => TestBridge.StartAsync(fleet.Servers, ("Bridge:Management:Registries:0", "https://user:hidden@lab.example/")));
        Assert.Contains("Bridge:Management:Registries:0", e.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("hidden", e.ToString(), StringComparison.Ordinal);
    }

    public static TheoryData<string, string> RemoteMedia => new()
    {
        { "/v1/chat/completions", """{"model":"MODEL","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"http://169.254.169.254/latest"}}]}]}""" },
        { "/v1/chat/completions", """{"model":"MODEL","messages":[{"role":"user","content":[{"type":"image_url","image_url":"https://example/a.png"}]}]}""" },
        { "/v1/chat/completions", """{"model":"MODEL","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"  HTT\tP:\/\/example/a.png"}}]}]}""" },
        { "/v1/chat/completions", """{"model":"MODEL","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"\u0068ttps://example/a.png"}}]}]}""" },
        { "/v1/chat/completions", """{"model":"MODEL","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"file:///etc/passwd"}}]}]}""" },
        { "/v1/chat/completions", """{"model":"MODEL","messages":[{"role":"user","content":[{"type":"video_url","video_url":{"url":"ftp://example/a"}}]}]}""" },
        { "/v1/chat/completions", """{"model":"MODEL","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AA=="}},{"type":"audio_url","audio_url":{"url":"http://example/a"}}]}]}""" },
        { "/v1/responses", """{"model":"MODEL","input":[{"role":"user","content":[{"type":"input_image","image_url":"https://example/a.png"}]}]}""" },
        { "/v1/responses", """{"model":"MODEL","input":[{"type":"input_image","image_url":"https://example/a.png"}]}""" },
        { "/v1/responses", """{"model":"MODEL","input":[{"type":"function_call_output","output":[{"type":"input_file","file_url":"https://example/a.pdf"}]}]}""" },
        { "/v1/embeddings", """{"model":"MODEL","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"http://example/"}}]}]}""" },
        { "/v1/messages", """{"model":"MODEL","max_tokens":6,"messages":[{"role":"user","content":[{"type":"image","source":{"type":"url","url":"https://example/a.png"}}]}]}""" },
        { "/v1/messages", """{"model":"MODEL","max_tokens":6,"messages":[{"role":"user","content":[{"type":"tool_result","content":[{"type":"image","source":{"type":"url","url":"https://example/a.png"}}]}]}]}""" },
        { "/v1/messages/count_tokens", """{"model":"MODEL","messages":[{"role":"user","content":[{"type":"document","source":{"type":"url","url":"https://example/a.pdf"}}]}]}""" },
    };

    [Theory]
    [MemberData(nameof(RemoteMedia))]
    public async Task Send_MediaUrl_400UnlessAllowed(string path, string body)
    {
        body = body.Replace("MODEL", "m", StringComparison.Ordinal);
        await using var server = new ScriptedServer(_ => ScriptedReply.Json(200, """{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}"""));
        await using (var bridge = await StartAsync(server))
        {
            using var refused = await bridge.Client.PostAsync(path, Json(body), Token);
            var words = await refused.Content.ReadAsStringAsync(Token);
            Assert.Equal(HttpStatusCode.BadRequest, refused.StatusCode);
            Assert.Contains("image URLs are not currently supported, please use base64 encoded data instead", words, StringComparison.Ordinal);
            Assert.Contains("\"invalid_request_error\"", words, StringComparison.Ordinal);
            Assert.Empty(server.Seen);
        }

        await using var open = await StartAsync(server, ("Bridge:Access:ImageUrls", "true"));
        using var answer = await open.Client.PostAsync(path, Json(body), Token);
        Assert.NotEmpty(server.Seen);
    }

    [Theory]
    [InlineData("/v1/chat/completions", """{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"see http://example/"},{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgo="}}]}]}""")]
    [InlineData("/v1/chat/completions", """{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image\/png;base64,iVBO\/Rw0KGgo="}}]}]}""")]
    [InlineData("/v1/chat/completions", """{"model":"m","messages":[{"role":"user","content":"http://example/"}]}""")]
    [InlineData("/v1/chat/completions", """{"model":"m","tools":[{"type":"function","function":{"name":"f","parameters":{"image_url":{"url":"http://example/"}}}}],"messages":[{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":"{\"image_url\":\"http://example/\"}"}}]}]}""")]
    public async Task Send_DataUrlOrPlainText_Forwarded(string path, string body)
    {
        await using var server = new ScriptedServer(_ => ScriptedReply.Json(200, """{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}"""));
        await using var bridge = await StartAsync(server);
        using var answer = await bridge.Client.PostAsync(path, Json(body), Token);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Single(server.Seen);
    }

    private static Task<TestBridge> StartAsync(ScriptedServer server, params (string, string)[] settings) => TestBridge.StartAsync(
        [],
        [
            ("Bridge:Instances:0:Url", server.Url.ToString()), ("Bridge:Instances:0:Kind", "OpenAI"), ("Bridge:Instances:0:Models:0", "m"),
            ("Bridge:Instances:0:Routes", "Responses, Messages"), .. settings,
        ]);

    private static StringContent Json(string body) => new(body, Encoding.UTF8, "application/json");
}

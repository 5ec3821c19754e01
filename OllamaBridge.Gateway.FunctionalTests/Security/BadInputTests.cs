using System.Text;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;

namespace OllamaBridge.Gateway.FunctionalTests.Security;

/// <summary>Malformed requests get a 4xx status immediately and affect no other client.</summary>
public sealed class BadInputTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("/api/chat", "", 400, """{"error":"missing request body"}""")]
    [InlineData("/api/generate", "{\"model\":\"deepseek-r1:7b\",", 400, """{"error":"unexpected EOF"}""")]
    [InlineData("/api/embed", "{", 400, """{"error":"unexpected EOF"}""")]
    [InlineData("/api/chat", "{\"model\":nope}", 400, null)]
    [InlineData("/api/chat", "[]", 400, null)]
    [InlineData("/api/chat", "{\"model\":5}", 400, """{"error":"json: cannot unmarshal number into Go struct field ChatRequest.model of type string"}""")]
    [InlineData("/v1/chat/completions", "{\"model\":", 400, "\"type\":\"invalid_request_error\"")]
    [InlineData("/v1/messages", "{\"model\":", 400, "\"type\":\"invalid_request_error\"")]
    [InlineData("/v1/audio/transcriptions", "no form", 400, "\"type\":\"invalid_request_error\"")]
    public async Task Post_MalformedBody_400InClientsProtocol(string path, string body, int status, string? contains)
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);

        using var answer = await bridge.Client.PostAsync(path, new StringContent(body), Token);
        var text = await answer.Content.ReadAsStringAsync(Token);

        Assert.Equal(status, (int)answer.StatusCode);
        Assert.StartsWith("{", text, StringComparison.Ordinal);
        Assert.Contains(contains ?? "\"error\"", text, StringComparison.Ordinal);
        Assert.DoesNotContain(fleet[0].Statistics.Seen, r => r.Method == "POST");
    }

    [Fact]
    public async Task Post_DeeplyNestedJson_400Immediately()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        var deep = $$"""{"model":"deepseek-r1:7b","messages":{{new string('[', 100_000)}}{{new string(']', 100_000)}}}""";

        using var answer = await bridge.Client.PostAsync("/api/chat", new StringContent(deep), Token);

        Assert.Equal(400, (int)answer.StatusCode);
        Assert.Equal("""{"error":"invalid character '[' exceeded max depth"}""", await answer.Content.ReadAsStringAsync(Token));
    }

    [Theory]
    [InlineData("/api/chat", false)]
    [InlineData("/api/chat", true)]
    [InlineData("/v1/chat/completions", false)]
    [InlineData("/v1/messages", true)]
    public async Task Post_BodyOverLimit_413InClientsProtocol(string path, bool chunked)
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers, ("Bridge:Limits:MaxBody", "100000"));
        using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = new ByteArrayContent(Encoding.UTF8.GetBytes($$"""{"model":"deepseek-r1:7b","x":"{{new string('x', 100_000)}}"}""")) };
        request.Headers.TransferEncodingChunked = chunked;

        using var answer = await bridge.Client.SendAsync(request, Token);

        Assert.Equal(413, (int)answer.StatusCode);
        Assert.Contains("\"error\"", await answer.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
        Assert.DoesNotContain(fleet[0].Statistics.Seen, r => r.Method == "POST");
    }

    [Fact]
    public async Task Post_BodyJustUnderLimit_PassedOnComplete()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        var text = new string('y', 5_000_000);

        using var answer = await bridge.PostAsync("/api/chat", Ask.Chat(stream: false, text: text), Token);

        Assert.Equal(200, (int)answer.StatusCode);
        Assert.Contains(fleet[0].Statistics.Seen, r => r.Body.Length > text.Length);
    }

    [Fact]
    public async Task Send_FloodOfHeaders_431()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        var headers = string.Concat(Enumerable.Range(0, 500).Select(i => $"X-Flood-{i}: {new string('x', 100)}\r\n"));

        var answer = await RawHttp.SendAsync(bridge.Url, $"POST /api/chat HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");

        Assert.StartsWith("HTTP/1.1 431 ", answer, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Post_BodyNeverArrives_ErrorInClientsProtocol()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers, ("Bridge:Limits:BodyGracePeriod", "00:00:02"));

        var answer = await RawHttp.SendAsync(bridge.Url, "POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{\"model\":");

        Assert.StartsWith("HTTP/1.1 408 ", answer, StringComparison.Ordinal);
        Assert.Contains("{\"error\":\"the request's body came too slowly\"}", answer, StringComparison.Ordinal);
        Assert.DoesNotContain(fleet[0].Statistics.Seen, r => r.Method == "POST");
    }

    [Fact]
    public async Task Post_InvalidHttp_400()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);

        Assert.StartsWith("HTTP/1.1 400 ", await RawHttp.SendAsync(bridge.Url, "\u0001\u0002 / nonsense\r\n\r\n"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Post_InvalidInput_NotLogged()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);

        using var answer = await bridge.Client.PostAsync("/api/chat", new StringContent("""{"model":"deepseek-r1:7b","messages":[{"content":"my-secret-prompt"}"""), Token);

        Assert.Equal(400, (int)answer.StatusCode);
        Assert.DoesNotContain(bridge.Logs.Lines, l => l.Contains("my-secret-prompt", StringComparison.Ordinal));
    }
}

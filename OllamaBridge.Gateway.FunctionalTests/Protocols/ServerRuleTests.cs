using System.Text;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Testing.Replay;

namespace OllamaBridge.Gateway.FunctionalTests.Protocols;

/// <summary>Responses of Go's net/http and gin before Ollama's own handlers, over a raw socket because clients and Kestrel normalize paths. Source: a real
/// server (0.33, shared/facts-ollama.md; server/routes.go and middleware/openai.go); the simulator must return the same.</summary>
public sealed class ServerRuleTests
{
    private const string Json = "application/json; charset=utf-8";

    [Theory]
    // net/http cleans paths: dot segments and doubled slashes, escaped or not, on known and unknown routes.
    [InlineData("GET /api/../api/version", 307, "/api/version", "<a href=\"/api/version\">Temporary Redirect</a>.\n\n")]
    [InlineData("GET /api/./version", 307, "/api/version", "<a href=\"/api/version\">Temporary Redirect</a>.\n\n")]
    [InlineData("GET /api/%2e%2e/api/tags?a=1", 307, "/api/tags?a=1", "<a href=\"/api/tags?a=1\">Temporary Redirect</a>.\n\n")]
    [InlineData("GET //nothing//here", 307, "/nothing/here", "<a href=\"/nothing/here\">Temporary Redirect</a>.\n\n")]
    [InlineData("POST /v1//messages", 307, "/v1/messages", "")]
    // A name is one segment, even if its slash is escaped; in other places an escaped slash is part of the segment's text.
    [InlineData("GET /v1/models/library%2Fnope", 404, null, "404 page not found")]
    [InlineData("GET /v1/models/a/b", 404, null, "404 page not found")]
    [InlineData("GET /v1/models/a%2Fb%2fc", 404, null, "404 page not found")]
    [InlineData("GET /%61pi%2Fversion", 200, null, "{\"version\":\"0.32.15\"}")]
    // The server's own capabilities, and a tunnel.
    [InlineData("OPTIONS *", 200, null, "")]
    [InlineData("CONNECT example.com:443", 405, null, "405 method not allowed")]
    public async Task Request_Unusual_SameResponseAsServer(string line, int status, string? location, string body)
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        foreach (var url in new[] { bridge.Url, fleet[0].Url })
        {
            var host = line.StartsWith("CONNECT ", StringComparison.Ordinal) ? line.Split(' ')[1] : $"127.0.0.1:{url.Port}";
            var answer = await SendAsync(url, $"{line} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
            Assert.Equal((status, location), (answer.Status, answer.Headers.GetValueOrDefault("Location")));
            Assert.Equal(body, answer.Body);
        }
    }

    [Fact]
    public async Task Connect_OtherHost_405()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        var answer = await SendAsync(bridge.Url, $"CONNECT example.com:443 HTTP/1.1\r\nHost: 127.0.0.1:{bridge.Url.Port}\r\n\r\n");
        Assert.Equal((405, "405 method not allowed"), (answer.Status, answer.Body));
    }

    [Theory]
    [InlineData("/v1/chat/completions", "", "{\"error\":{\"message\":\"EOF\",\"type\":\"invalid_request_error\",\"param\":null,\"code\":null}}")]
    [InlineData("/v1/completions", "{", "{\"error\":{\"message\":\"unexpected EOF\",\"type\":\"invalid_request_error\",\"param\":null,\"code\":null}}")]
    [InlineData("/v1/embeddings", "x", "{\"error\":{\"message\":\"invalid character 'x' looking for beginning of value\",\"type\":\"invalid_request_error\",\"param\":null,\"code\":null}}")]
    [InlineData("/v1/responses", "", "{\"error\":{\"message\":\"EOF\",\"type\":\"invalid_request_error\",\"param\":null,\"code\":null}}")]
    [InlineData("/v1/audio/transcriptions", "x", "{\"error\":{\"message\":\"failed to parse multipart form: request Content-Type isn't multipart/form-data\",\"type\":\"invalid_request_error\",\"param\":null,\"code\":null}}")]
    [InlineData("/api/chat", "\ufeff{}", "{\"error\":\"invalid character 'ï' looking for beginning of value\"}")]
    public async Task Post_UnreadableBody_GinFormat(string path, string body, string expected)
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        foreach (var url in new[] { bridge.Url, fleet[0].Url })
        {
            var answer = await PostAsync(url, path, Encoding.UTF8.GetBytes(body));
            Assert.Equal((400, Json, expected), (answer.Status, answer.Headers["Content-Type"], answer.Body));
        }
    }

    [Theory]
    [InlineData("multipart/form-data", "no multipart boundary param in Content-Type")]
    [InlineData("multipart/form-data; boundary=x", "multipart: NextPart: EOF")]
    public async Task PostAudio_InvalidForm_ErrorHasReason(string type, string reason)
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        foreach (var url in new[] { bridge.Url, fleet[0].Url })
        {
            var answer = await PostAsync(url, "/v1/audio/transcriptions", "nothing"u8.ToArray(), type);
            Assert.Equal(400, answer.Status);
            Assert.Contains($"\"failed to parse multipart form: {reason}\"", answer.Body, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("\"name\":5")]
    [InlineData("\"source\":{}")]
    [InlineData("\"files\":7")]
    [InlineData("\"\\ud800\":1")]
    [InlineData("\"x\\udc00y\":[\"\\ud83d\"]")]
    [InlineData("\"keep_alive\":null,\"KEEP_ALIVE\":\"5m\"")]
    public async Task Chat_ToleratedByServer_PassedOn(string field)
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        var body = $$"""{"model":"{{TestFleet.Model}}","stream":false,{{field}},"messages":[{"role":"user","content":"a\ud800b"}],"options":{"num_predict":3,"\udfff":1} }""";
        foreach (var url in new[] { bridge.Url, fleet[0].Url })
            Assert.Equal(200, (await PostAsync(url, "/api/chat", Encoding.UTF8.GetBytes(body))).Status);
        Assert.Equal(body, Encoding.UTF8.GetString(fleet[0].Statistics.Seen.First(r => r.Path == "/api/chat").Body.Span));
    }

    [Fact]
    public async Task Chat_InvalidUtf8InText_PassedOnUnchanged()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        byte[] body = [.. Encoding.ASCII.GetBytes($$"""{"model":"{{TestFleet.Model}}","stream":false,"messages":[{"role":"user","content":"a"""), 0xff, 0xc0, .. "b\"}]}"u8];
        foreach (var url in new[] { bridge.Url, fleet[0].Url })
            Assert.Equal(200, (await PostAsync(url, "/api/chat", body)).Status);
    }

    private static Task<RawAnswer> PostAsync(Uri url, string path, byte[] body, string type = "application/json") => SendAsync(
        url, $"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{url.Port}\r\nConnection: close\r\nContent-Type: {type}\r\nContent-Length: {body.Length}\r\n\r\n", body);

    private static async Task<RawAnswer> SendAsync(Uri url, string head, byte[]? body = null)
    {
        using var connection = await RawConnection.OpenAsync(url);
        await connection.SendAsync([.. Encoding.ASCII.GetBytes(head), .. body ?? []]);
        var answer = await connection.ReceiveAsync();
        Assert.NotNull(answer);
        return new RawAnswer(int.Parse(answer.StatusLine.Split(' ')[1], System.Globalization.CultureInfo.InvariantCulture), answer.Headers, answer.Body);
    }

    private sealed record RawAnswer(int Status, IReadOnlyDictionary<string, string> Headers, string Body);
}

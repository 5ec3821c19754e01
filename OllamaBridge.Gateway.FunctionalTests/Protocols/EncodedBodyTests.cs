using System.IO.Compression;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Simulator;
using ZstdSharp;

namespace OllamaBridge.Gateway.FunctionalTests.Protocols;

/// <summary>Compressed request bodies; Codex sends zstd to /v1/responses.</summary>
public sealed class EncodedBodyTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Responses_Zstd_RoutedByModelAndPassedOnUnchanged()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        var packed = Zstd(Responses(TestFleet.Model));

        using var answer = await SendAsync(bridge, "/v1/responses", packed, "zstd");

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        var seen = fleet[0].Statistics.Seen.First(r => r.Path == "/v1/responses");
        Assert.Equal(packed, seen.Body.ToArray());
        Assert.Contains("\"object\":\"response\"", await answer.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
        using var unknown = await SendAsync(bridge, "/v1/responses", Zstd(Responses("nope")), "ZSTD");
        Assert.Equal(HttpStatusCode.NotFound, unknown.StatusCode);
    }

    [Fact]
    public async Task Responses_ZstdWithAlias_SentDecodedWithReplacedModel()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers, ("Bridge:Models:0:Name", "gpt-x"), ("Bridge:Models:0:Target", TestFleet.Model));

        using var answer = await SendAsync(bridge, "/v1/responses", Zstd(Responses("gpt-x")), "zstd");

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        var seen = fleet[0].Statistics.Seen.First(r => r.Path == "/v1/responses");
        Assert.Equal(TestFleet.Model, (string?)JsonNode.Parse(seen.Body.Span)!["model"]);
        Assert.False(seen.Headers.ContainsKey("Content-Encoding"));
    }

    [Fact]
    public async Task Responses_ZstdOverMemoryThreshold_RoutedLikeSmallBody()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(
            fleet.Servers, ("Bridge:Models:0:Name", "gpt-x"), ("Bridge:Models:0:Target", TestFleet.Model), ("Bridge:Limits:BodyMemoryThreshold", "4096"));
        var noise = new byte[30_000];
        new Random(1).NextBytes(noise);
        byte[] Body(string model) => Encoding.UTF8.GetBytes($$"""{"input":"{{Convert.ToHexString(noise)}}","model":"{{model}}"}""");
        var packed = Zstd(Body(TestFleet.Model));

        using var answer = await SendAsync(bridge, "/v1/responses", packed, "zstd");
        using var replaced = await SendAsync(bridge, "/v1/responses", Zstd(Body("gpt-x")), "zstd");

        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.OK), (answer.StatusCode, replaced.StatusCode));
        var seen = fleet[0].Statistics.Seen.Where(r => r.Path == "/v1/responses").ToArray();
        Assert.Equal(packed, seen[0].Body.ToArray());
        Assert.Equal("zstd", seen[0].Headers["Content-Encoding"]);
        Assert.Equal(Body(TestFleet.Model), seen[1].Body.ToArray());
        Assert.False(seen[1].Headers.ContainsKey("Content-Encoding"));
    }

    [Theory]
    [InlineData("/api/chat", "gzip")]
    [InlineData("/api/generate", "zstd")]
    [InlineData("/v1/chat/completions", "gzip")]
    [InlineData("/v1/responses", "gzip")]
    [InlineData("/v1/messages", "br")]
    [InlineData("/api/embed", "compress")]
    public async Task Post_UnsupportedEncoding_415InClientsProtocol(string path, string encoding)
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        var body = Responses(TestFleet.Model);

        using var answer = await SendAsync(bridge, path, encoding == "zstd" ? Zstd(body) : Gzip(body), encoding);

        Assert.Equal(HttpStatusCode.UnsupportedMediaType, answer.StatusCode);
        Assert.Contains($"Content-Encoding '{encoding}'", await answer.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
        Assert.True(answer.Headers.Contains("Accept-Encoding"));
        Assert.DoesNotContain(fleet[0].Statistics.Seen, r => r.Method == "POST");
    }

    [Theory]
    [InlineData("gzip")]
    [InlineData("zstd")]
    public async Task Chat_EncodedForOpenAIServer_PassedOnUnchanged(string encoding)
    {
        await using var server = await SimulatedServer.StartAsync(
            SimulatorOptions.Instant with { Kind = SimulatorKind.OpenAI, Served = [TestFleet.Plain("m")] }, Token);
        await using var bridge = await TestBridge.StartAsync([server]);
        var packed = encoding == "gzip" ? Gzip(Chat("m")) : Zstd(Chat("m"));

        using var answer = await SendAsync(bridge, "/v1/chat/completions", packed, encoding);

        // The server can't decode the body and rejects it; the test checks the bytes that it received.
        Assert.NotEqual(HttpStatusCode.UnsupportedMediaType, answer.StatusCode);
        var seen = server.Statistics.Seen.First(r => r.Path == "/v1/chat/completions");
        Assert.Equal(packed, seen.Body.ToArray());
        Assert.Equal(encoding, seen.Headers["Content-Encoding"]);
    }

    [Theory]
    [InlineData("zstd", "failed to decompress zstd body")]
    [InlineData("gzip", "failed to decompress gzip body")]
    public async Task Post_BodyDoesNotMatchEncoding_400(string encoding, string message)
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);

        using var answer = await SendAsync(bridge, "/v1/responses", "no such bytes"u8.ToArray(), encoding);

        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Contains(message, await answer.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Post_DecodedBodyOverLimit_413()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers, ("Bridge:Limits:MaxBody", "100000"));
        var bomb = Zstd(new byte[50_000_000]);
        Assert.InRange(bomb.Length, 1, 99_999);

        using var answer = await SendAsync(bridge, "/v1/responses", bomb, "zstd");

        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, answer.StatusCode);
    }

    [Fact]
    public async Task Chat_IdentityEncoding_SameAsNone()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        using var answer = await SendAsync(bridge, "/v1/chat/completions", Chat(TestFleet.Model), "identity");
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
    }

    private static byte[] Responses(string model) => Encoding.UTF8.GetBytes($$"""{"model":"{{model}}","input":"{{string.Concat(Enumerable.Repeat("hello ", 40))}}"}""");

    private static byte[] Chat(string model) => Encoding.UTF8.GetBytes($$"""{"model":"{{model}}","messages":[{"role":"user","content":"hi"}]}""");

    private static byte[] Zstd(byte[] body)
    {
        using var compressor = new Compressor();
        return compressor.Wrap(body).ToArray();
    }

    private static byte[] Gzip(byte[] body)
    {
        using var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionMode.Compress))
            gzip.Write(body);
        return packed.ToArray();
    }

    private static Task<HttpResponseMessage> SendAsync(TestBridge bridge, string path, byte[] body, string encoding)
    {
        var content = new ByteArrayContent(body) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } };
        content.Headers.TryAddWithoutValidation("Content-Encoding", encoding);
        return bridge.Client.PostAsync(path, content, Token);
    }
}

using System.Net;
using System.Net.Sockets;
using System.Text;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Gateway.Protocols.Bodies;
using OllamaBridge.Gateway.Tenants;
using OllamaBridge.Simulator;
using OllamaBridge.Testing;

namespace OllamaBridge.Gateway.FunctionalTests.Security;

/// <summary>Clients that read or send too slowly don't hold slots or memory for long.</summary>
public sealed class SlowClientTests
{
    private static readonly TimeSpan Patience = TestTimeouts.Guard;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("/api/chat")]
    [InlineData("/api/generate")]
    [InlineData("/v1/chat/completions")]
    [InlineData("/v1/completions")]
    [InlineData("/v1/messages")]
    [InlineData("/v1/responses")]
    public async Task Stream_ClientNeverReads_SlotReleased(string path)
    {
        await using var fleet = await EndlessAsync();
        await using var bridge = await TestBridge.StartAsync(fleet.Servers, ("Bridge:Limits:SlowClientTimeout", "00:00:01.5"));
        using var first = await AskAsync(bridge, path);
        using var second = await AskAsync(bridge, path);
        await Eventually.BecomesAsync(() => fleet[0].Statistics.ConcurrentRequests == 2, Patience);

        await Eventually.BecomesAsync(() => fleet[0].Statistics.ConcurrentRequests == 0, Patience);
        using var next = await bridge.PostAsync("/api/chat", Ask.Chat(stream: false), Token);
        Assert.Equal(HttpStatusCode.OK, next.StatusCode);
        await Eventually.BecomesAsync(() => bridge.Logs.Lines.Count(l => l.Contains(" cancelled 200", StringComparison.Ordinal)) == 2, Patience);
    }

    [Fact]
    public async Task Stream_SilentInstance_NotTreatedAsSlowClient()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers, ("Bridge:Limits:SlowClientTimeout", "00:00:01"), ("Bridge:Continuation:Enabled", "false"));
        fleet[0].Faults.Add(new Fault { Kind = FaultKind.Stall, AfterTokens = 3, Delay = TimeSpan.FromSeconds(3.5) });

        using var answer = await bridge.PostAsync("/api/chat", Ask.Chat(stream: true), Token);
        Assert.Contains("\"done\":true", await answer.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Body_ClientStopsSending_408AndConnectionClosed()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers, ("Bridge:Limits:SlowClientTimeout", "00:00:01"), ("Bridge:Limits:MinBodyRate", "1"), ("Bridge:Limits:BodyGracePeriod", "01:00:00"));
        // The average rate is high, so the pause causes the end.
        var answer = await RawHttp.SendAsync(bridge.Url, "POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: 200000\r\n\r\n{\"model\":\"" + new string('x', 150_000));
        Assert.StartsWith("HTTP/1.1 408", answer, StringComparison.Ordinal);
        Assert.Contains("Connection: close", answer, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("the request's body came too slowly", answer, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Upload_ClientStopsSending_WriteLockReleased()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers, ("Bridge:Limits:SlowClientTimeout", "00:00:01"), ("Bridge:Limits:MinBodyRate", "1"), ("Bridge:Limits:BodyGracePeriod", "01:00:00"));
        var digest = new string('a', 64);
        using var client = await OpenAsync(bridge, $"POST /api/blobs/sha256:{digest} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 200000\r\n\r\nGGUF" + new string('x', 100_000));

        // Changes run one at a time, so this one waits until the upload is aborted.
        using var copy = await bridge.PostAsync("/api/copy", new { source = TestFleet.Model, destination = "mine" }, Token);
        Assert.Equal(HttpStatusCode.OK, copy.StatusCode);
    }

    [Fact]
    public async Task Concurrency_UnreadBody_CountsTowardsLimit()
    {
        var (key, verifier) = ApiKey.Create();
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(
            fleet.Servers, ("Bridge:Tenants:team:Keys:0", verifier.ToString()), ("Bridge:Tenants:team:Limits:ConcurrentRequests", "1"));
        var head = $"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\nContent-Length: 90000000\r\n\r\n";
        var buffer = bridge.Services.GetService(typeof(BodyBuffer)) as BodyBuffer;
        using var first = await OpenAsync(bridge, head + "{\"model\":");
        await Eventually.BecomesAsync(() => buffer!.Disk.Used == 90_000_000, Patience);

        var refused = await RawHttp.SendAsync(bridge.Url, head);
        Assert.StartsWith("HTTP/1.1 429", refused, StringComparison.Ordinal);
        Assert.Contains("rate limit reached: 1 requests at a time", refused, StringComparison.Ordinal);
        Assert.Contains("Retry-After: 1", refused, StringComparison.Ordinal);
        var unknown = await RawHttp.SendAsync(bridge.Url, head.Replace(key, ApiKey.Create().Key, StringComparison.Ordinal));
        Assert.StartsWith("HTTP/1.1 401", unknown, StringComparison.Ordinal);
        Assert.Equal(90_000_000, buffer!.Disk.Used);

        first.Close();
        await Eventually.BecomesAsync(() => buffer.Disk.Used == 0, Patience);
    }

    [Theory]
    [InlineData("/api/chat", true)]
    [InlineData("/api/chat", false)]
    [InlineData("/v1/audio/transcriptions", false)]
    public async Task LargeBody_BufferedOnDisk_SentCompleteOnEachAttempt(string path, bool chunked)
    {
        await using var fleet = await TestFleet.StartAsync(2, options: null, TestFleet.Model, "whisper:latest");
        await using var bridge = await TestBridge.StartAsync(fleet.Servers, ("Bridge:Models:0:Name", "alias"), ("Bridge:Models:0:Target", TestFleet.Model));
        var text = new string('x', 3_000_000);
        HttpContent content = path == "/api/chat"
            ? new StringContent($"{{\"messages\":[{{\"role\":\"user\",\"content\":\"{text}\"}}],\"stream\":false,\"model\":\"alias\"}}", Encoding.UTF8, "application/json")
            : new MultipartFormDataContent { { new StringContent("whisper"), "model" }, { new ByteArrayContent(Encoding.UTF8.GetBytes(text)), "file", "a.wav" } };
        await content.LoadIntoBufferAsync(Token);
        // The first attempt fails once on any instance.
        foreach (var server in fleet.Servers)
        {
            server.Faults.Add(new Fault { Kind = FaultKind.Status, Status = 500, Path = path, Times = 1 });
            using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = new ByteArrayContent(await content.ReadAsByteArrayAsync(Token)) };
            request.Content.Headers.ContentType = content.Headers.ContentType;
            request.Headers.TransferEncodingChunked = chunked;
            using var answer = await bridge.Client.SendAsync(request, Token);
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            server.Faults.Clear();
        }

        var seen = fleet.Servers.SelectMany(s => s.Statistics.Seen).Where(r => r.Path == path).ToList();
        Assert.True(seen.Count >= 3);
        var expected = (await content.ReadAsStringAsync(Token)).Replace("\"alias\"", $"\"{TestFleet.Model}\"", StringComparison.Ordinal);
        // The simulator does not store uploads; its response shows that it parsed the form.
        Assert.All(seen.Where(_ => path == "/api/chat"), r => Assert.Equal(expected, Encoding.UTF8.GetString(r.Body.Span)));
        var buffer = (BodyBuffer)bridge.Services.GetService(typeof(BodyBuffer))!;
        await Eventually.BecomesAsync(() => buffer.Disk.Used + buffer.Memory.Used == 0, Patience);
    }

    [Fact]
    public async Task LargeBodies_BufferFull_503WithReason()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers, ("Bridge:Limits:MaxBodyDisk", "3000000"), ("Bridge:Limits:BodyWait", "00:00:00.2"));
        const string Head = "POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2000000\r\n\r\n";
        var buffer = (BodyBuffer)bridge.Services.GetService(typeof(BodyBuffer))!;
        using var first = await OpenAsync(bridge, Head);
        await Eventually.BecomesAsync(() => buffer.Disk.Used == 2_000_000, Patience);

        var refused = await RawHttp.SendAsync(bridge.Url, Head);
        Assert.StartsWith("HTTP/1.1 503", refused, StringComparison.Ordinal);
        Assert.Contains("\"type\":\"overloaded_error\"", refused, StringComparison.Ordinal);
        Assert.Contains("the bridge holds too many large requests at the moment", refused, StringComparison.Ordinal);
        var larger = await RawHttp.SendAsync(bridge.Url, Head.Replace("2000000", "3000001", StringComparison.Ordinal));
        Assert.StartsWith("HTTP/1.1 413", larger, StringComparison.Ordinal);
    }

    private static async Task<TestFleet> EndlessAsync()
    {
        var fleet = await TestFleet.StartAsync(1, SimulatorOptions.Instant with { ParallelSlots = 2 });
        fleet.Store.Add(TestFleet.Plain(TestFleet.Model) with { AnswerTokens = int.MaxValue });
        return fleet;
    }

    private static Task<TcpClient> AskAsync(TestBridge bridge, string path)
    {
        var json = EveryRoute.Body(path, stream: true);
        json["max_tokens"] = 10_000_000;
        json["max_output_tokens"] = 10_000_000;
        if (path.StartsWith("/api/", StringComparison.Ordinal))
            json["options"] = new System.Text.Json.Nodes.JsonObject { ["num_predict"] = 10_000_000 };
        var body = json.ToJsonString();
        return OpenAsync(bridge, $"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {body.Length}\r\n\r\n{body}");
    }

    /// <summary>Sends a request and never reads the response.</summary>
    private static async Task<TcpClient> OpenAsync(TestBridge bridge, string request)
    {
        var client = new TcpClient { ReceiveBufferSize = 4096 };
        await client.ConnectAsync(IPAddress.Loopback, bridge.Url.Port, Token);
        await client.GetStream().WriteAsync(Encoding.Latin1.GetBytes(request), Token);
        return client;
    }
}

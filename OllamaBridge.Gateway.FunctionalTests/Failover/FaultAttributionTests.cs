using System.IO.Compression;
using System.Net;
using System.Net.Sockets;
using System.Text;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Fleet.Breaker;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Simulator;

namespace OllamaBridge.Gateway.FunctionalTests.Failover;

/// <summary>Failures that one client or one request causes are attributed to it, not to an instance, and affect no other client.</summary>
public sealed class FaultAttributionTests
{
    private const string Poison = HostileWorld.Poison;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public static TheoryData<string, bool> Cases
    {
        get
        {
            var data = new TheoryData<string, bool>();
            foreach (var kind in HostileWorld.Kinds)
            {
                data.Add(kind, false);
                // A request that fails half of the time is evidence against instances if it differs each time.
                if (kind != "fails now here and now there")
                    data.Add(kind, true);
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task Send_HostileClient_OthersServedAtFirstAttempt(string kind, bool differs)
    {
        await using var world = new HostileWorld();
        await using var bridge = await ScriptedServer.BridgeAsync(world.Servers);

        for (var i = 0; i < 24; i++)
        {
            await world.HarmAsync(bridge, kind, differs ? $"{i}" : "");
            await AskAsync(bridge, $"innocent {i}");
        }

        AssertUnharmed(bridge);
        // As many attempts as requests, so no request takes longer than without the hostile client.
        Assert.Equal(24, world.Servers.Sum(s => s.Count("innocent")));
    }

    [Theory]
    [InlineData("tool call that can't be parsed")]
    [InlineData("error as the stream's first line")]
    [InlineData("input without a vector")]
    [InlineData("out of memory")]
    [InlineData("response that is no JSON")]
    [InlineData("gateway time-out of a proxy in front")]
    public async Task Send_RepeatedRequestFailsAlike_TwoAttemptsThenOneEach(string kind)
    {
        await using var world = new HostileWorld();
        await using var bridge = await ScriptedServer.BridgeAsync(world.Servers);

        await world.HarmAsync(bridge, kind, "");
        Assert.Equal(2, Sent());
        for (var i = 0; i < 5; i++)
            await world.HarmAsync(bridge, kind, "");

        Assert.Equal(7, Sent());

        // Rendering a prompt generates no token, so it doesn't count.
        int Sent() => world.Servers.Sum(s => s.Seen.Count(r => r.Body.Contains(Poison, StringComparison.Ordinal) && !r.Body.Contains("_debug_render_only", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Stream_SameMidStreamErrorEverywhere_TwoGenerationsWithoutFailure()
    {
        await using var fleet = await TestFleet.StartAsync(3);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        foreach (var server in fleet.Servers)
            server.Faults.Add(new Fault { Kind = FaultKind.ErrorLine, AfterTokens = 2 });

        for (var i = 0; i < 8; i++)
        {
            var before = fleet.Servers.Sum(Generations);
            using var answer = await bridge.PostAsync("/api/chat", Ask.Chat(stream: true, text: $"{i / 4}"), Token);
            Assert.Contains("\"error\"", await answer.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
            Assert.Equal(i % 4 == 0 ? 2 : 1, fleet.Servers.Sum(Generations) - before);
        }

        Assert.All(bridge.Fleet.Current.Models[TestFleet.Model].Placements, p =>
        {
            Assert.Equal(InstanceStatus.Healthy, p.View.Status);
            Assert.Equal(PlacementCondition.Steady, p.State.Guard?.ConditionAt(TimeProvider.System.GetTimestamp()) ?? PlacementCondition.Steady);
        });

        static int Generations(SimulatedServer server) => server.Statistics.Seen.Count(r =>
            r.Path is "/api/chat" or "/api/generate" && !Encoding.UTF8.GetString(r.Body.Span).Contains("_debug_render_only", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Send_FailsOnOneInstance_InstanceAvoided()
    {
        await using var bad = new ScriptedServer(r => r.Method == "POST" ? ScriptedReply.Json(500, """{"error":"the runner is out of sorts"}""") : null);
        await using var good = new ScriptedServer(_ => null);
        await using var bridge = await ScriptedServer.BridgeAsync([bad, good], ("Bridge:Breaker:OpenTime", "00:01:00"));

        for (var i = 0; i < 30; i++)
            await AskAsync(bridge, $"until {i}");

        Assert.Equal(PlacementCondition.Open, Condition(bridge, "s-1"));
        Assert.InRange(bad.Seen.Count, 5, 15);
    }

    [Theory]
    [InlineData("Jörg Müller", "utf-8")]
    [InlineData("Jörg Müller", "latin1")]
    [InlineData("名前", "utf-8")]
    public async Task Send_NonAsciiHeader_PassedOnByteForByte(string name, string encoding)
    {
        await using var server = new ScriptedServer(r => r.Path == "/api/chat" ? ScriptedReply.Json(200, """{"model":"m","message":{"role":"assistant","content":"x"},"done":true}""", $"Cache-Control: {Bytes()}\r\n") : null);
        await using var bridge = await ScriptedServer.BridgeAsync([server]);
        const string Body = """{"model":"m","stream":false,"messages":[]}""";

        var answer = await RawHttp.SendAsync(
            bridge.Url, $"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nUser-Agent: {Bytes()}\r\nContent-Type: application/json\r\nContent-Length: {Body.Length}\r\n\r\n{Body}");

        Assert.StartsWith("HTTP/1.1 200", answer, StringComparison.Ordinal);
        Assert.Contains($"Cache-Control: {Bytes()}\r\n", answer, StringComparison.Ordinal);
        Assert.Contains($"User-Agent: {Bytes()}\r\n", Assert.Single(server.Seen).Headers, StringComparison.Ordinal);

        string Bytes() => Encoding.Latin1.GetString(Encoding.GetEncoding(encoding).GetBytes(name));
    }

    [Fact]
    public async Task Send_ResponseHeaderWithControlCharacters_HeaderOmitted()
    {
        await using var server = new ScriptedServer(r => r.Path == "/api/chat" ? ScriptedReply.Json(200, """{"model":"m","message":{"role":"assistant","content":"x"},"done":true}""", "Cache-Control: a\u0001b\r\nRetry-After: 1\r\n") : null);
        await using var bridge = await ScriptedServer.BridgeAsync([server]);

        using var answer = await bridge.PostAsync("/api/chat", new { model = "m", stream = false }, Token);

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.False(answer.Headers.Contains("Cache-Control"));
        Assert.True(answer.Headers.Contains("Retry-After"));
    }

    [Theory]
    [InlineData("gzip")]
    [InlineData("deflate")]
    [InlineData("br")]
    public async Task Send_ServerCompressesUnrequested_ClientGetsDecodedBody(string encoding)
    {
        await using var server = new ScriptedServer(r => r.Method != "POST" ? null : ScriptedReply.Of(
            200,
            r.Body.Contains("false", StringComparison.Ordinal) ? "application/json" : "application/x-ndjson",
            Compress(encoding, """{"model":"m","message":{"role":"assistant","content":"Yes."},"done":true}""" + "\n"),
            $"Content-Encoding: {encoding}\r\n"));
        await using var bridge = await ScriptedServer.BridgeAsync([server]);

        foreach (var stream in new[] { false, true })
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "/api/chat")
            {
                Content = new StringContent($$"""{"model":"m","stream":{{(stream ? "true" : "false")}}}""", Encoding.UTF8, "application/json"),
                Headers = { { "Accept-Encoding", "gzip, deflate, br" } },
            };
            using var answer = await bridge.Client.SendAsync(request, Token);

            Assert.Empty(answer.Content.Headers.ContentEncoding);
            Assert.Contains("\"content\":\"Yes.\"", await answer.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
        }

        Assert.All(server.Seen, r => Assert.Contains("Accept-Encoding: identity\r\n", r.Headers, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(1, 100)]
    [InlineData(2, 100)]
    [InlineData(1, 300_000)]
    public async Task Send_ServerClosesKeptConnections_NoRequestLostOrMoved(int count, int length)
    {
        // Serves one request per connection, and closes the connection without a response on the second.
        var servers = Enumerable.Range(0, count).Select(_ => new ScriptedServer(r => r.OnConnection > 0 && r.Method == "POST" ? ScriptedReply.None : null)).ToArray();
        try
        {
            await using var bridge = await ScriptedServer.BridgeAsync(servers);
            var first = "";
            for (var i = 0; i < 12; i++)
            {
                using var answer = await bridge.PostAsync("/api/chat", new { model = "m", stream = false, messages = new[] { new { role = "user", content = new string('x', length) } } }, Token);
                Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
                var by = answer.Headers.GetValues("X-Bridge-Instance").Single();
                first = i == 0 ? by : first;
                Assert.Equal(first, by);
            }

            AssertUnharmed(bridge);
            Assert.Contains(servers.SelectMany(s => s.Seen), r => r.OnConnection > 0); // a kept connection was used
        }
        finally
        {
            foreach (var server in servers)
                await server.DisposeAsync();
        }
    }

    [Theory]
    [InlineData(429)]
    [InlineData(503)]
    public async Task Send_OnlyInstanceBusyForOneRequest_OthersWaitSecondsAtMost(int status)
    {
        await using var server = new ScriptedServer(r => r.Body.Contains(Poison, StringComparison.Ordinal) ? ScriptedReply.Json(status, """{"error":"too much"}""", "Retry-After: 600\r\n") : null);
        await using var bridge = await ScriptedServer.BridgeAsync([server]);
        await AskAsync(bridge, "innocent");
        for (var i = 0; i < 10; i++)
        {
            using var answer = await bridge.PostAsync("/api/chat", new { model = "m", stream = false, messages = new[] { new { role = "user", content = Poison } } }, Token);
            Assert.Equal(status, (int)answer.StatusCode);
            Assert.Equal(TimeSpan.FromMinutes(10), answer.Headers.RetryAfter?.Delta);
            var guard = bridge.Fleet.Current.Models["m:latest"].Placements[0].State.Guard!;
            Assert.InRange(guard.Left(TimeProvider.System.GetTimestamp()) / (double)TimeProvider.System.TimestampFrequency, 0, i < 2 ? 0.6 : 0);
            await AskAsync(bridge, $"innocent {i}");
        }

        Assert.Equal(11, server.Count("innocent"));
    }

    [Fact]
    public async Task Send_ProxyReportsClosedConnection_SentOverNewOne()
    {
        await using var server = new ScriptedServer(r => r.OnConnection > 0 && r.Method == "POST"
            ? ScriptedReply.Of(408, "text/html", "<html>Request Time-out</html>", "Connection: close\r\n") with { Closes = true } : null);
        await using var bridge = await ScriptedServer.BridgeAsync([server]);
        for (var i = 0; i < 6; i++)
            await AskAsync(bridge, $"{i}");
        Assert.Contains(server.Seen, r => r.OnConnection > 0);
    }

    [Fact]
    public async Task Send_ResponseWithByteOrderMark_PassedOn()
    {
        await using var server = new ScriptedServer(r => r.Method == "POST" ? ScriptedReply.Json(200, "\uFEFF" + """{"model":"m","message":{"role":"assistant","content":"x"},"done":true}""") : null);
        await using var bridge = await ScriptedServer.BridgeAsync([server]);
        await AskAsync(bridge, "x");
        Assert.Single(server.Seen);
    }

    [Fact]
    public async Task Send_ModelFailsOnTwoInstances_FallbackServes()
    {
        static ScriptedReply? Fail(ScriptedRequest request) => request.Path == "/api/chat" ? ScriptedReply.Json(500, """{"error":"bad tool call"}""") : null;
        await using var one = new ScriptedServer(Fail);
        await using var two = new ScriptedServer(Fail);
        await using var third = new ScriptedServer(Fail);
        await using var other = new ScriptedServer(_ => null) { Models = ["n:latest"] };
        await using var bridge = await ScriptedServer.BridgeAsync([one, two, third, other], ("Bridge:Models:0:Name", "m"), ("Bridge:Models:0:Fallbacks:0", "n"));
        foreach (var sent in new[] { 2, 3 })
        {
            using var answer = await bridge.PostAsync("/api/chat", new { model = "m", stream = false }, Token);
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            Assert.Equal("s-4", answer.Headers.GetValues("X-Bridge-Instance").Single());
            Assert.Equal(sent, one.Seen.Count + two.Seen.Count + third.Seen.Count);
        }
    }

    [Fact]
    public async Task Send_OneClientsRequestsFailEverywhere_OthersKeepRetries()
    {
        await using var world = new HostileWorld();
        await using var bridge = await ScriptedServer.BridgeAsync(world.Servers, ("Bridge:Forwarding:RetryBurst", "4"), ("Bridge:Forwarding:RetryRatio", "0"));

        for (var i = 0; i < 12; i++)
            await world.HarmAsync(bridge, "tool call that can't be parsed", $"{i}");

        Assert.Equal(24, world.Servers.Sum(s => s.Count(Poison))); // one retry each, and each is returned to the budget
    }

    [Theory]
    [InlineData("/api/chat", "5\r\nhello\r\nzz\r\n", "400")]
    [InlineData("/api/chat", "FFFFFFFFFFFFFFFFF\r\nx\r\n", "400")]
    [InlineData("/v1/chat/completions", "FFFFFFFFFFFFFFFFF\r\nx\r\n", "400")]
    [InlineData("/api/blobs/sha256:0000000000000000000000000000000000000000000000000000000000000000", "5\r\nhello\r\nzz\r\n", "400")]
    [InlineData("/api/blobs/sha256:0000000000000000000000000000000000000000000000000000000000000000", "FFFFFFFFFFFFFFFFF\r\nx\r\n", "400")]
    [InlineData("/api/blobs/sha256:0000000000000000000000000000000000000000000000000000000000000000", "5\r\nhello\r\n", "408")]
    [InlineData("/api/chat", "5\r\nhello\r\n", "408")]
    public async Task Send_BodyInvalidOrStalled_ErrorToClientAndInstancesUnaffected(string path, string body, string status)
    {
        await using var world = new HostileWorld();
        await using var bridge = await ScriptedServer.BridgeAsync(world.Servers, ("Bridge:Limits:BodyGracePeriod", "00:00:01.5"));
        for (var i = 0; i < (status == "408" ? 2 : 12); i++)
        {
            var answer = await RawHttp.SendAsync(bridge.Url, $"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
            Assert.StartsWith($"HTTP/1.1 {status}", answer, StringComparison.Ordinal);
            Assert.Contains("\"error\"", answer, StringComparison.Ordinal);
        }

        await AskAsync(bridge, "innocent");
        AssertUnharmed(bridge);
    }

    [Fact]
    public async Task Send_ConnectionResetDuringUpload_InstancesUnaffected()
    {
        await using var world = new HostileWorld();
        await using var bridge = await ScriptedServer.BridgeAsync(world.Servers);
        for (var i = 0; i < 12; i++)
        {
            using var client = new TcpClient { LingerState = new LingerOption(true, 0) };
            await client.ConnectAsync(bridge.Url.Host, bridge.Url.Port, Token);
            await client.GetStream().WriteAsync(
                Encoding.Latin1.GetBytes($"POST /api/blobs/sha256:{new string('0', 64)} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n{new string('x', 50_000)}"), Token);
            client.Client.Close(0); // RST
        }

        await AskAsync(bridge, "innocent");
        AssertUnharmed(bridge);
    }

    private static async Task AskAsync(TestBridge bridge, string text)
    {
        using var answer = await bridge.PostAsync("/api/chat", new { model = "m", stream = false, messages = new[] { new { role = "user", content = text } } }, Token);
        Assert.True(answer.StatusCode == HttpStatusCode.OK, $"{text}: {(int)answer.StatusCode} {await answer.Content.ReadAsStringAsync(Token)}");
    }

    private static void AssertUnharmed(TestBridge bridge)
    {
        Assert.All(bridge.Fleet.Current.Instances, i => Assert.Equal((i.Instance.Name, InstanceStatus.Healthy), (i.Instance.Name, i.Status)));
        Assert.All(bridge.Fleet.Current.Instances, i => Assert.Equal(PlacementCondition.Steady, Condition(bridge, i.Instance.Name)));
    }

    private static PlacementCondition Condition(TestBridge bridge, string instance) =>
        bridge.Fleet.Current.Models["m:latest"].Placements.Single(p => p.Instance.Name == instance).State.Guard?.ConditionAt(TimeProvider.System.GetTimestamp())
        ?? PlacementCondition.Steady;

    private static byte[] Compress(string encoding, string text)
    {
        using var bytes = new MemoryStream();
        using (Stream stream = encoding switch
        {
            "gzip" => new GZipStream(bytes, CompressionMode.Compress),
            "br" => new BrotliStream(bytes, CompressionMode.Compress),
            _ => new ZLibStream(bytes, CompressionMode.Compress),
        })
            stream.Write(Encoding.UTF8.GetBytes(text));
        return bytes.ToArray();
    }
}

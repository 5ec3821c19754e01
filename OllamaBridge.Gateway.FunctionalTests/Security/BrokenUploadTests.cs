using System.Net.Sockets;
using System.Text;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;

namespace OllamaBridge.Gateway.FunctionalTests.Security;

/// <summary>Request bodies that are framed wrongly (RFC 9112, sections 6 and 7), written byte by byte.</summary>
public sealed class BrokenUploadTests
{
    private const string Blob = "/api/blobs/sha256:0000000000000000000000000000000000000000000000000000000000000000";
    private const string Chunked = "Transfer-Encoding: chunked";
    private const string Body = """{"model":"m","stream":false,"messages":[{"role":"user","content":"x"}]}""";
    private static readonly string Whole = $"{Body.Length:x}\r\n{Body}\r\n";
    private static readonly string[] Paths = [.. EveryRoute.All.Select(r => r.Path).Distinct(), "/api/create", Blob];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public static TheoryData<string, string, string> Broken => new()
    {
        { "size that is no number", Chunked, "zz\r\nhello\r\n" },
        { "size with a sign", Chunked, "+5\r\nhello\r\n0\r\n\r\n" },
        { "negative size", Chunked, "-1\r\nhello\r\n0\r\n\r\n" },
        { "size with a prefix", Chunked, "0x5\r\nhello\r\n0\r\n\r\n" },
        { "no size", Chunked, "\r\nhello\r\n0\r\n\r\n" },
        { "blank before the size", Chunked, " 5\r\nhello\r\n0\r\n\r\n" },
        { "size beyond 31 bits", Chunked, "80000000\r\nx\r\n" },
        { "size beyond 32 bits", Chunked, "100000005\r\nhello\r\n0\r\n\r\n" },
        { "size beyond 63 bits", Chunked, "8000000000000000\r\nx\r\n" },
        { "size beyond 64 bits", Chunked, "10000000000000005\r\nhello\r\n0\r\n\r\n" },
        { "size of 17 digits", Chunked, "FFFFFFFFFFFFFFFFF\r\nx\r\n" },
        { "second size that is no number", Chunked, "5\r\nhello\r\nzz\r\n" },
        { "second size that overflows", Chunked, "1\r\n{\r\nFFFFFFFFFFFFFFFFF\r\nx\r\n" },
        { "chunk longer than its size", Chunked, "3\r\nhello\r\n0\r\n\r\n" },
        { "chunk without an end", Chunked, "5\r\nhello0\r\n\r\n" },
        { "trailer without a colon", Chunked, Whole + "0\r\nnonsense\r\n\r\n" },
        { "length that is no number", "Content-Length: 5abc", "hello" },
        { "negative length", "Content-Length: -1", "hello" },
        { "length beyond 64 bits", "Content-Length: 99999999999999999999", "hello" },
        { "two lengths", "Content-Length: 5\r\nContent-Length: 6", "hello!" },
        { "list of two lengths", "Content-Length: 5, 6", "hello!" },
        { "chunked, but not last", "Transfer-Encoding: chunked, gzip", "5\r\nhello\r\n0\r\n\r\n" },
        { "unknown coding", "Transfer-Encoding: xchunked", "5\r\nhello\r\n0\r\n\r\n" },
    };

    [Theory]
    [MemberData(nameof(Broken))]
    public async Task Send_InvalidFraming_400AndInstancesUnaffected(string what, string framing, string body)
    {
        await using var server = new ScriptedServer(_ => null);
        await using var bridge = await ScriptedServer.BridgeAsync([server], ("Bridge:Limits:BodyGracePeriod", "00:00:01.5"));
        foreach (var path in Paths)
            for (var i = 0; i < 3; i++)
            {
                var answer = await RawHttp.SendAsync(bridge.Url, $"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{framing}\r\n\r\n{body}");
                Assert.True(answer.StartsWith("HTTP/1.1 400 ", StringComparison.Ordinal), $"{what} to {path}: {answer}");
                // After a framing error the rest of the connection's bytes can't be parsed.
                Assert.Contains("Connection: close", answer, StringComparison.OrdinalIgnoreCase);
            }

        await AssertServesAsync(bridge);
    }

    [Theory]
    [InlineData("7;name=value\r\n{0}\r\n")]
    [InlineData("7;name=\"a;b\"\r\n{0}\r\n")]
    [InlineData("00007\r\n{0}\r\n")]
    public async Task Send_UnusualValidChunks_Succeeds(string first)
    {
        await using var server = new ScriptedServer(_ => null);
        await using var bridge = await ScriptedServer.BridgeAsync([server]);
        var framed = first.Replace("{0}", Body[..7], StringComparison.Ordinal) + $"{Body.Length - 7:X}\r\n{Body[7..]}\r\n0\r\nTrailer: x\r\n\r\n";

        var answer = await RawHttp.SendAsync(
            bridge.Url, $"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n{Chunked}\r\n\r\n{framed}");

        Assert.StartsWith("HTTP/1.1 200 ", answer, StringComparison.Ordinal);
        Assert.Equal(Body, Assert.Single(server.Seen).Body);
    }

    [Theory]
    [InlineData(Chunked, "5\r\nhello\r\n")]
    [InlineData(Chunked, "5\r\nhe")]
    [InlineData(Chunked, "")]
    [InlineData("Content-Length: 100", "hello")]
    [InlineData("Content-Length: 100", "")]
    public async Task Send_BodyStalls_408InClientsProtocol(string framing, string body)
    {
        await using var server = new ScriptedServer(_ => null);
        await using var bridge = await ScriptedServer.BridgeAsync([server], ("Bridge:Limits:BodyGracePeriod", "00:00:01.5"));

        var answers = await Task.WhenAll(Paths.Select(path => RawHttp.SendAsync(
            bridge.Url, $"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{framing}\r\n\r\n{body}")));

        foreach (var (path, answer) in Paths.Zip(answers))
            Assert.True(answer.StartsWith("HTTP/1.1 408 ", StringComparison.Ordinal) && answer.Contains("\"error\"", StringComparison.Ordinal), $"{path}: {answer}");
        await AssertServesAsync(bridge);
    }

    /// <summary>Kestrel aborts a half-closed connection (<c>Http1Connection.OnInputOrOutputCompleted</c>), so no response can be written.</summary>
    [Theory]
    [InlineData(Chunked, "5\r\nhello\r\n")]
    [InlineData("Content-Length: 100", "hello")]
    [InlineData("Content-Length: 100000", "hello")]
    public async Task Send_ClientHalfCloses_ConnectionEndsImmediatelyAndInstancesUnaffected(string framing, string body)
    {
        await using var server = new ScriptedServer(_ => null);
        // The end of the connection must end the request before this time-out does.
        await using var bridge = await ScriptedServer.BridgeAsync([server], ("Bridge:Limits:BodyGracePeriod", "00:10:00"));
        foreach (var path in Paths.Concat(Paths))
        {
            using var client = new TcpClient();
            await client.ConnectAsync(bridge.Url.Host, bridge.Url.Port, Token);
            var stream = client.GetStream();
            await stream.WriteAsync(Encoding.Latin1.GetBytes($"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{framing}\r\n\r\n{body}"), Token);
            client.Client.Shutdown(SocketShutdown.Send);
            var answer = "";
            try
            {
                answer = await new StreamReader(stream, Encoding.Latin1).ReadToEndAsync(Token).WaitAsync(TimeSpan.FromSeconds(30), Token);
            }
            catch (IOException)
            {
                // A reset also ends the connection.
            }

            Assert.True(answer.Length == 0 || answer.StartsWith("HTTP/1.1 400", StringComparison.Ordinal), answer);
        }

        await AssertServesAsync(bridge);
    }

    private static async Task AssertServesAsync(TestBridge bridge)
    {
        using var answer = await bridge.PostAsync("/api/chat", new { model = "m", stream = false }, Token);
        Assert.True(answer.IsSuccessStatusCode);
        Assert.Equal(InstanceStatus.Healthy, bridge.Fleet.Current.Instances.Single().Status);
    }
}

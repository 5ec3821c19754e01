using System.Net;
using System.Text;
using System.Text.RegularExpressions;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;

namespace OllamaBridge.Gateway.FunctionalTests.Failover;

/// <summary>Servers that respond in HTTP/1.0, or close each connection without an announcement, as Python's <c>http.server</c> does.</summary>
public sealed partial class OldHttpServerTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Send_ConnectionClosedAfterEachResponse_OneAttemptPerRequest(bool isHttp10)
    {
        await using var server = new ScriptedServer(_ => null) { Transform = r => (isHttp10 ? AsHttp10(r) : r) with { Closes = true } };
        await using var bridge = await ScriptedServer.BridgeAsync([server]);

        for (var i = 0; i < 20; i++)
        {
            using var answer = await bridge.PostAsync("/api/chat", new { model = "m", stream = i % 2 == 0, messages = new[] { new { role = "user", content = $"{i}" } } }, Token);
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            Assert.Contains("\"done\":true", await answer.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
        }

        Assert.Equal(20, server.Seen.Count(r => r.Path == "/api/chat"));
    }

    /// <summary>A response without a length: the end of the connection ends the body.</summary>
    private static ScriptedReply AsHttp10(ScriptedReply reply)
    {
        var text = Encoding.Latin1.GetString(reply.Bytes);
        return reply with { Bytes = Encoding.Latin1.GetBytes(Length().Replace(text.Replace("HTTP/1.1 ", "HTTP/1.0 ", StringComparison.Ordinal), "", 1)) };
    }

    [GeneratedRegex("Content-Length: [0-9]+\\r\\n")]
    private static partial Regex Length();
}

using System.Text;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Testing.Replay;

namespace OllamaBridge.Gateway.FunctionalTests.Security;

/// <summary>Requests with many or large header fields, such as the cookies of a single sign-on in front of the bridge.</summary>
public sealed class HeaderLimitTests
{
    [Theory]
    [InlineData(1, 256 * 1024)]
    [InlineData(1, 1_000_000)] // Go's own limit is 1 MiB
    [InlineData(40, 10 * 1024)]
    [InlineData(200, 10)]
    [InlineData(250, 10)]
    public async Task Request_LargeHeaders_Served(int fields, int length)
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        var (status, _, body) = await SendAsync(bridge.Url, "/api/version", fields, length);
        Assert.Equal(200, status);
        Assert.Contains("version", body, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/api/chat", 1, 1_200_000, "{\"error\":\"the request's header fields are too large: at most 1048576 bytes (Bridge:Limits:MaxHeaderBytes) in 256 fields (Bridge:Limits:MaxHeaderFields) are accepted\"}")]
    [InlineData("/v1/chat/completions", 5000, 10, "\"type\":\"invalid_request_error\"")]
    [InlineData("/v1/messages", 120, 10_000, "\"type\":\"invalid_request_error\"")]
    public async Task Request_BeyondLimit_431WithReasonInClientsProtocol(string path, int fields, int length, string expected)
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        var (status, type, body) = await SendAsync(bridge.Url, path, fields, length);
        Assert.Equal((431, "application/json"), (status, type));
        Assert.Contains(expected, body, StringComparison.Ordinal);
        Assert.Contains("MaxHeaderFields", body, StringComparison.Ordinal);
        Assert.Equal(200, (await SendAsync(bridge.Url, "/api/version", 1, 10)).Status);
    }

    [Fact]
    public async Task Request_ConfiguredLimit_Applied()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers, ("Bridge:Limits:MaxHeaderFields", "100"));
        Assert.Equal(200, (await SendAsync(bridge.Url, "/api/version", 90, 1)).Status);
        Assert.Equal(431, (await SendAsync(bridge.Url, "/api/version", 101, 1)).Status);
    }

    private static async Task<(int Status, string? Type, string Body)> SendAsync(Uri url, string path, int fields, int length)
    {
        var head = new StringBuilder($"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{url.Port}\r\nConnection: close\r\n");
        for (var i = 0; i < fields; i++)
            head.Append("X-Field-").Append(i).Append(": ").Append('x', length).Append("\r\n");
        using var connection = await RawConnection.OpenAsync(url);
        try
        {
            await connection.SendAsync(Encoding.ASCII.GetBytes(head.Append("\r\n").ToString()));
        }
        catch (IOException)
        {
            // The server refused the request before all of it was sent; its response can be read.
        }

        var answer = await connection.ReceiveAsync();
        Assert.NotNull(answer);
        return (int.Parse(answer.StatusLine.Split(' ')[1], System.Globalization.CultureInfo.InvariantCulture), answer.Headers.GetValueOrDefault("Content-Type"), answer.Body);
    }
}

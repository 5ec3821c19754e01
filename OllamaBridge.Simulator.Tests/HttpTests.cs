using System.Net;
using OllamaBridge.Testing;
using OllamaBridge.Testing.Replay;

namespace OllamaBridge.Simulator.Tests;

/// <summary>Behaviour without a recording: preflight requests, redirects, and the control API of a server that is being killed.</summary>
public class HttpTests
{
    [Fact]
    public async Task Options_LocalOrigin_Preflight204()
    {
        var response = await AskAsync("-X OPTIONS -H 'Origin: http://localhost:3000' -H 'Access-Control-Request-Method: POST' 127.0.0.1:1/api/chat");
        Assert.Equal("HTTP/1.1 204 No Content", response.StatusLine);
        Assert.Equal("http://localhost:3000", response.Headers["Access-Control-Allow-Origin"]);
        Assert.Contains("POST", response.Headers["Access-Control-Allow-Methods"]);
    }

    [Theory]
    [InlineData("127.0.0.1:1/api/tags/", "301 Moved Permanently", "/api/tags")]
    [InlineData("-X POST 127.0.0.1:1/api/chat/", "307 Temporary Redirect", "/api/chat")]
    [InlineData("127.0.0.1:1//api//version", "307 Temporary Redirect", "/api/version")]
    public async Task Redirect_UncleanPath_ToCleanPath(string request, string status, string location)
    {
        var response = await AskAsync(request);
        Assert.Equal("HTTP/1.1 " + status, response.StatusLine);
        Assert.Equal(location, response.Headers["Location"]);
    }

    [Theory]
    [InlineData("{\"model\":\"m\" x", "invalid character 'x' after object key:value pair")]
    [InlineData("nonsense", "invalid character 'o' in literal null (expecting 'u')")]
    [InlineData("[]", "json: cannot unmarshal array into Go value of type api.ChatRequest")]
    [InlineData("{\"model\":3}", "json: cannot unmarshal number into Go struct field ChatRequest.model of type string")]
    public async Task Chat_BadJson_400WithGosErrorMessage(string body, string message)
    {
        var response = await AskAsync($"127.0.0.1:1/api/chat -d '{body}'");
        Assert.Equal("HTTP/1.1 400 Bad Request", response.StatusLine);
        Assert.Equal(message, System.Text.Json.JsonElement.Parse(response.Body).GetProperty("error").GetString());
    }

    [Fact]
    public async Task Kill_ThroughOwnPort_RespondsThenDies()
    {
        await using var server = await TestServer.StartAsync(SimulatorOptions.Instant, SimulatedModel.Named("m"));
        using var client = new SimulatorClient(server);
        Assert.Equal(HttpStatusCode.NoContent, (await client.PostAsync("/__sim/kill", "")).Status);
        await Poll.UntilAsync(() => !server.IsAlive);
    }

    private static async Task<RawResponse> AskAsync(string arguments)
    {
        await using var server = await TestServer.StartAsync(SimulatorOptions.Instant, SimulatedModel.Named("m"));
        using var connection = await RawConnection.OpenAsync(server.Url);
        await connection.SendAsync(CurlCommand.Parse("$ curl " + arguments).ToBytes(server.Url.Port));
        return (await connection.ReceiveAsync(head: arguments.Contains("OPTIONS")))!;
    }
}

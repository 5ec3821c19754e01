using System.Net;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;

namespace OllamaBridge.Gateway.FunctionalTests.Security;

/// <summary>Host and Origin headers are checked as by Ollama, and configured hosts and origins are allowed.</summary>
public sealed class AccessTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("evil.example", null, 403)]
    [InlineData("127.0.0.1.evil.example", null, 403)]
    [InlineData("8.8.8.8", null, 403)]
    [InlineData("localhost", null, 200)]
    [InlineData("localhost:11400", null, 200)]
    [InlineData("127.0.0.1", null, 200)]
    [InlineData("[::1]:11400", null, 200)]
    [InlineData("gpu.internal", null, 200)]
    [InlineData("chat.example", null, 200)] // configured below
    [InlineData("localhost", "http://evil.example", 403)]
    [InlineData("localhost", "http://localhost.evil.example", 403)]
    [InlineData("localhost", "null", 403)]
    [InlineData("localhost", "http://localhost:3000", 200)]
    [InlineData("localhost", "https://127.0.0.1", 200)]
    [InlineData("localhost", "app://obsidian.md", 200)]
    [InlineData("localhost", "https://ui.example", 200)] // configured below
    [InlineData("localhost", "https://a.apps.example", 200)] // configured below
    public async Task Get_HostAndOrigin_CheckedAsByOllama(string host, string? origin, int status)
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(
            fleet.Servers,
            ("Bridge:Access:Hosts:0", "chat.example"),
            ("Bridge:Access:Origins:0", "https://ui.example"),
            ("Bridge:Access:Origins:1", "https://*.apps.example"));

        foreach (var path in new[] { "/api/tags", "/bridge/instances", "/metrics", "/health" })
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, path);
            request.Headers.Host = host;
            if (origin is not null)
                request.Headers.Add("Origin", origin);

            using var answer = await bridge.Client.SendAsync(request, Token);

            Assert.Equal(status, (int)answer.StatusCode);
            if (status == 403)
                Assert.Contains("Bridge:Access:", await answer.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
            else if (origin is not null)
                Assert.Equal(origin, answer.Headers.GetValues("Access-Control-Allow-Origin").Single());
        }
    }

    [Theory]
    [InlineData("http://localhost:3000", HttpStatusCode.NoContent)]
    [InlineData("http://evil.example", HttpStatusCode.Forbidden)]
    public async Task Options_Preflight_HandledByBridge(string origin, HttpStatusCode status)
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        using var request = new HttpRequestMessage(HttpMethod.Options, "/api/chat");
        request.Headers.Add("Origin", origin);
        request.Headers.Add("Access-Control-Request-Method", "POST");
        request.Headers.Add("Access-Control-Request-Headers", "content-type,x-stainless-lang");

        using var answer = await bridge.Client.SendAsync(request, Token);

        Assert.Equal(status, answer.StatusCode);
        if (status != HttpStatusCode.NoContent)
            return;
        Assert.Contains("POST", answer.Headers.GetValues("Access-Control-Allow-Methods").Single(), StringComparison.Ordinal);
        Assert.Contains("X-Stainless-Lang", answer.Headers.GetValues("Access-Control-Allow-Headers").Single(), StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain(fleet[0].Statistics.Seen, r => r.Method == "OPTIONS");
    }

    [Fact]
    public async Task Admin_TrustedForwardedHeaders_SpoofedLoopbackRefused()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers, ("ForwardedHeaders_Enabled", "true"));
        using var honest = new HttpRequestMessage(HttpMethod.Get, "/bridge/instances");
        using var claiming = new HttpRequestMessage(HttpMethod.Get, "/bridge/instances");
        claiming.Headers.Add("X-Forwarded-For", "127.0.0.1");

        using var local = await bridge.Client.SendAsync(honest, TestContext.Current.CancellationToken);
        using var refused = await bridge.Client.SendAsync(claiming, TestContext.Current.CancellationToken);

        Assert.Equal(HttpStatusCode.OK, local.StatusCode);
        Assert.Equal(HttpStatusCode.Forbidden, refused.StatusCode);
    }
}

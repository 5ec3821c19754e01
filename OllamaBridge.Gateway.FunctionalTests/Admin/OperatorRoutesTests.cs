using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Configuration;
using OllamaBridge.Gateway.Admin;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.FunctionalTests.Admin;

/// <summary>Access to the operators' routes by key, by listener and by the spelling of the path.</summary>
public sealed class OperatorRoutesTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Keys_Exist_MetricsAndDetailsRequireScope()
    {
        var (user, userVerifier) = ApiKey.Create();
        var (scraper, scraperVerifier) = ApiKey.Create();
        var (admin, adminVerifier) = ApiKey.Create();
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(
            fleet.Servers,
            ("Bridge:Tenants:users:Keys:0", userVerifier.ToString()),
            ("Bridge:Tenants:prometheus:Keys:0", scraperVerifier.ToString()),
            ("Bridge:Tenants:prometheus:Scopes", "Metrics"),
            ("Bridge:Tenants:ops:Keys:0", adminVerifier.ToString()),
            ("Bridge:Tenants:ops:Scopes", "Admin"));
        await bridge.UntilAsync(s => s.Instances.All(i => i.IsUsable), "healthy");

        foreach (var path in (string[])["/metrics", "/metrics/", "/bridge/openapi.json"])
        {
            Assert.Equal(HttpStatusCode.Unauthorized, (await GetAsync(bridge.Client, path, null)).Status);
            Assert.Equal(HttpStatusCode.Unauthorized, (await GetAsync(bridge.Client, path, "ob-nonsense")).Status);
            Assert.Equal(HttpStatusCode.Forbidden, (await GetAsync(bridge.Client, path, user)).Status);
            foreach (var key in (string[])[scraper, admin])
            {
                var (status, body) = await GetAsync(bridge.Client, path, key);
                Assert.Equal(HttpStatusCode.OK, status);
                Assert.NotEmpty(body);
            }
        }

        foreach (var key in (string?[])[null, user])
            Assert.Equal((HttpStatusCode.OK, ""), await GetAsync(bridge.Client, "/health", key));
        Assert.Contains("\"status\":\"Healthy\"", (await GetAsync(bridge.Client, "/health", scraper)).Body, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.OK, (await GetAsync(bridge.Client, "/alive", null)).Status);
        // The scope for metrics allows no other operation.
        Assert.Equal(HttpStatusCode.Forbidden, (await GetAsync(bridge.Client, "/bridge/tenants", scraper)).Status);
        Assert.Equal(HttpStatusCode.Forbidden, (await GetAsync(bridge.Client, "/api/tags", scraper)).Status);
    }

    [Theory]
    [InlineData("/Metrics")]
    [InlineData("/METRICS/")]
    [InlineData("/Health")]
    [InlineData("/ALIVE")]
    [InlineData("/Bridge/instances")]
    [InlineData("/bridge/Instances")]
    [InlineData("/bridge/tenants/team/Keys")]
    [InlineData("/bridge/OpenApi.json")]
    [InlineData("/bridge/Page.css")]
    public async Task Path_InAnotherCase_404AsInOllama(string path)
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        Assert.Equal((HttpStatusCode.NotFound, "404 page not found"), await GetAsync(bridge.Client, path, null));
        using var post = await bridge.Client.PostAsync(path, null, Token);
        Assert.Equal(HttpStatusCode.NotFound, post.StatusCode);
    }

    [Fact]
    public async Task TwoListeners_Routes_EachServesItsOwn()
    {
        var (user, userVerifier) = ApiKey.Create();
        var (admin, adminVerifier) = ApiKey.Create();
        await using var fleet = await TestFleet.StartAsync(1);
        var port = FreePort();
        await using var gateway = await GatewayProcess.StartAsync(
            fleet.Servers, 4,
            ("Bridge:Admin:Urls", $"http://127.0.0.1:{port}"),
            ("Bridge:Tenants:users:Keys:0", userVerifier.ToString()),
            ("Bridge:Tenants:ops:Keys:0", adminVerifier.ToString()),
            ("Bridge:Tenants:ops:Scopes", "Inference, Management, Admin, Metrics"));
        using var clients = new HttpClient { BaseAddress = gateway.Url };
        using var operators = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{port}") };

        foreach (var path in (string[])["/metrics", "/bridge/", "/bridge", "/bridge/page.js", "/bridge/instances", "/bridge/tenants", "/bridge/openapi.json", "/bridge/queue", "/bridge/usage", "/bridge/events"])
            Assert.Equal((HttpStatusCode.NotFound, "404 page not found"), await GetAsync(clients, path, admin));
        Assert.Equal((HttpStatusCode.OK, ""), await GetAsync(clients, "/health", null));
        Assert.Equal(HttpStatusCode.OK, (await GetAsync(clients, "/alive", null)).Status);
        Assert.Equal(HttpStatusCode.OK, (await GetAsync(clients, "/api/tags", user)).Status);
        // The route for bridges of other regions belongs to the clients' port.
        Assert.Equal(HttpStatusCode.OK, (await GetAsync(clients, "/bridge/region", user)).Status);

        Assert.Contains("ollama_", (await GetAsync(operators, "/metrics", null)).Body, StringComparison.Ordinal);
        Assert.Contains("\"status\":\"Healthy\"", (await GetAsync(operators, "/health", null)).Body, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.OK, (await GetAsync(operators, "/bridge/openapi.json", null)).Status);
        Assert.Equal(HttpStatusCode.Unauthorized, (await GetAsync(operators, "/bridge/tenants", null)).Status);
        Assert.Equal(HttpStatusCode.Forbidden, (await GetAsync(operators, "/bridge/tenants", user)).Status);
        Assert.Equal(HttpStatusCode.OK, (await GetAsync(operators, "/bridge/tenants", admin)).Status);
        foreach (var path in (string[])["/", "/api/tags", "/api/version", "/v1/models"])
            Assert.Equal(HttpStatusCode.NotFound, (await GetAsync(operators, path, admin)).Status);
    }

    [Theory]
    [InlineData(true, HttpStatusCode.OK)]
    [InlineData(false, HttpStatusCode.Unauthorized)]
    public async Task LastKeyRemoved_RemoteClient_AllowedOnlyIfConfigured(bool allowAnonymous, HttpStatusCode status)
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers, ("Bridge:Access:AllowAnonymous", allowAnonymous ? "true" : "false"));
        Assert.Equal(HttpStatusCode.OK, (await GetAsync(bridge.Client, "/api/tags", null)).Status);
        using (var made = await bridge.Client.PutAsync("/bridge/tenants/team", new StringContent("{}"), Token))
            Assert.True(made.IsSuccessStatusCode);
        using (var key = await bridge.Client.PostAsync("/bridge/tenants/team/keys", null, Token))
            Assert.Equal(HttpStatusCode.Created, key.StatusCode);
        Assert.Equal(HttpStatusCode.Unauthorized, (await GetAsync(bridge.Client, "/api/tags", null)).Status);

        using (var removed = await bridge.Client.DeleteAsync("/bridge/tenants/team", Token))
            Assert.True(removed.IsSuccessStatusCode);
        Assert.Equal(status, (await GetAsync(bridge.Client, "/api/tags", null)).Status);
        Assert.Contains(bridge.Logs.Lines, l => l.Contains("Warning 1404", StringComparison.Ordinal) && l.Contains("The last API key was removed", StringComparison.Ordinal));
        // The operator on the bridge's machine keeps access.
        Assert.Equal(HttpStatusCode.OK, (await GetAsync(bridge.Client, "/bridge/tenants", null)).Status);
    }

    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("http://unix:/tmp/admin.sock")]
    [InlineData("http://127.0.0.1:0")]
    public async Task AdminUrls_Invalid_StartFails(string url)
    {
        await using var fleet = await TestFleet.StartAsync(1);
        var e = await Assert.ThrowsAnyAsync<Exception>(() => TestBridge.StartAsync(fleet.Servers, ("Bridge:Admin:Urls", url)));
        Assert.Contains("Bridge:Admin:Urls", e.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("http://127.0.0.1:11400;http://127.0.0.1:11400", false)]
    [InlineData("http://*:11400;http://127.0.0.1:11400", false)]
    [InlineData("http://*:11401;http://127.0.0.1:11400", true)]
    public void AdminUrls_ClientsPort_StartFails(string urls, bool isValid)
    {
        var configuration = new ConfigurationBuilder().AddInMemoryCollection([KeyValuePair.Create<string, string?>("urls", urls)]).Build();
        Assert.Equal(isValid, new AdminOptionsValidator(configuration).Validate(null, new AdminOptions { Urls = "http://127.0.0.1:11400" }).Succeeded);
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private static async Task<(HttpStatusCode Status, string Body)> GetAsync(HttpClient client, string path, string? key)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        if (key is not null)
            request.Headers.TryAddWithoutValidation("Authorization", $"Bearer {key}");
        using var answer = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Token);
        return (answer.StatusCode, answer.Content.Headers.ContentType?.MediaType == "text/event-stream" ? "" : await answer.Content.ReadAsStringAsync(Token));
    }
}

using System.Net;
using System.Text.Json.Nodes;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using OllamaBridge.Gateway.Accounting;
using OllamaBridge.Gateway.Admin.Page;
using OllamaBridge.Gateway.FunctionalTests.Activation;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Gateway.Tenants;
using OllamaBridge.Testing;

namespace OllamaBridge.Gateway.FunctionalTests.Admin.Page;

/// <summary>Access to the page at <c>/bridge/</c>, and its updates when the fleet changes.</summary>
public sealed class FleetPageTests
{
    private static readonly TimeSpan Patience = TestTimeouts.Guard;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("/bridge/", "text/html")]
    [InlineData("/bridge/page.css", "text/css")]
    [InlineData("/bridge/page.js", "text/javascript")]
    [InlineData("/bridge/icon.svg", "image/svg+xml")]
    public async Task Page_RemoteClientWithoutKey_ServedWithStrictPolicy(string path, string type)
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        bridge.Client.DefaultRequestHeaders.Add("Test-Remote-Address", "203.0.113.7");

        using var answer = await bridge.Client.GetAsync(path, Token);

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal(type, answer.Content.Headers.ContentType!.MediaType);
        var policy = answer.Headers.GetValues("Content-Security-Policy").Single();
        foreach (var rule in new[] { "default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "frame-ancestors 'none'" })
            Assert.Contains(rule, policy, StringComparison.Ordinal);
        Assert.DoesNotContain("unsafe", policy, StringComparison.Ordinal);
        Assert.Equal("nosniff", answer.Headers.GetValues("X-Content-Type-Options").Single());
        Assert.Equal("no-referrer", answer.Headers.GetValues("Referrer-Policy").Single());
        var text = await answer.Content.ReadAsStringAsync(Token);
        Assert.DoesNotContain("sim-1", text, StringComparison.Ordinal);
        Assert.DoesNotContain("innerHTML", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Page_WithoutTrailingSlash_Redirected()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);

        using var answer = await bridge.Client.GetAsync("/bridge", Token);

        Assert.Equal("/bridge/", answer.RequestMessage!.RequestUri!.AbsolutePath);
        Assert.Equal("text/html", answer.Content.Headers.ContentType!.MediaType);
    }

    [Fact]
    public async Task Events_Drain_ShownInLaterSnapshot()
    {
        await using var fleet = await TestFleet.StartAsync(2);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        (await bridge.PostAsync("/api/chat", Ask.Chat(stream: false), Token)).Dispose();
        using var answer = await OpenAsync(bridge);
        Assert.Equal("text/event-stream", answer.Content.Headers.ContentType!.MediaType);
        using var reader = new StreamReader(await answer.Content.ReadAsStreamAsync(Token));

        var first = await NextAsync(reader);
        Assert.Equal(["sim-1", "sim-2"], first["instances"]!.AsArray().Select(i => i!["name"]!.GetValue<string>()));
        Assert.All(first["instances"]!.AsArray(), i => Assert.Equal((false, 0, 4), (i!["draining"]!.GetValue<bool>(), i["used"]!.GetValue<int>(), i["slots"]!.GetValue<int>())));
        Assert.Equal(RecentFigures.Steps, first["figures"]!["median"]!.AsArray().Count);
        Assert.DoesNotContain("sky", first.ToJsonString(), StringComparison.Ordinal);

        using var drained = await bridge.Client.PostAsync("/bridge/instances/sim-2/drain", null, Token);
        Assert.Equal(HttpStatusCode.OK, drained.StatusCode);
        // One snapshot may have been sent before the drain.
        await NextAsync(reader);
        Assert.True((await NextAsync(reader))["instances"]![1]!["draining"]!.GetValue<bool>());
    }

    [Fact]
    public async Task Events_ColdTier_AsleepThenAwakeWithInstance()
    {
        await using var bed = await ColdTierFixture.StartAsync();
        await using var bridge = await bed.OpenAsync();
        using var answer = await OpenAsync(bridge);
        using var reader = new StreamReader(await answer.Content.ReadAsStreamAsync(Token));
        var asleep = (await NextAsync(reader))["tiers"]!.AsArray().Single()!;
        Assert.Equal(("cold", "asleep", ColdTierFixture.Model), (asleep["name"]!.ToString(), asleep["state"]!.ToString(), asleep["models"]!.AsArray().Single()!.ToString()));
        Assert.Empty(asleep["instances"]!.AsArray());

        (await bridge.PostAsync("/api/chat", Ask.Chat(ColdTierFixture.Model, stream: false), Token)).Dispose();
        var picture = await NextAsync(reader);
        // Snapshots from before the request may arrive first.
        for (var i = 0; i < 30 && picture["tiers"]![0]!["state"]!.ToString() != "awake"; i++)
            picture = await NextAsync(reader);

        var awake = picture["tiers"]!.AsArray().Single()!;
        Assert.Equal(("awake", 1), (awake["state"]!.ToString(), awake["wanted"]!.GetValue<int>()));
        Assert.Equal("ollama-cold-0", awake["instances"]!.AsArray().Single()!.ToString());
        Assert.Contains(picture["instances"]!.AsArray(), i => i!["name"]!.ToString() == "ollama-cold-0");
    }

    [Fact]
    public async Task Events_Keys_OnlyOperatorsAccepted()
    {
        var (user, userVerifier) = ApiKey.Create();
        var (admin, adminVerifier) = ApiKey.Create();
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(
            fleet.Servers,
            ("Bridge:Tenants:users:Keys:0", userVerifier.ToString()),
            ("Bridge:Tenants:ops:Keys:0", adminVerifier.ToString()),
            ("Bridge:Tenants:ops:Scopes", "Admin"));

        foreach (var (key, status) in new[] { (null, HttpStatusCode.Unauthorized), (user, HttpStatusCode.Forbidden), (admin, HttpStatusCode.OK) })
        {
            using var answer = await OpenAsync(bridge, key);
            Assert.Equal(status, answer.StatusCode);
        }
    }

    [Fact]
    public async Task Events_RemoteClientWithoutKeys_Refused()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        bridge.Client.DefaultRequestHeaders.Add("Test-Remote-Address", "203.0.113.7");

        using var answer = await OpenAsync(bridge);

        Assert.Equal(HttpStatusCode.Forbidden, answer.StatusCode);
    }

    [Fact]
    public async Task Events_TooManyListeners_503UntilOneLeaves()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        var feed = bridge.Services.GetRequiredService<FleetFeed>();
        var open = new List<HttpResponseMessage>();
        for (var i = 0; i < FleetFeed.MaxListeners; i++)
            open.Add(await OpenAsync(bridge));
        using (var refused = await OpenAsync(bridge))
        {
            Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
            Assert.NotNull(refused.Headers.RetryAfter);
        }

        foreach (var answer in open)
            answer.Dispose();
        await Eventually.BecomesAsync(() => feed.Listeners == 0, Patience);
        using var again = await OpenAsync(bridge);
        Assert.Equal(HttpStatusCode.OK, again.StatusCode);
    }

    [Fact]
    public async Task Stop_OpenEventStreams_EndedWithoutDelay()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        using var answer = await OpenAsync(bridge);
        using var reader = new StreamReader(await answer.Content.ReadAsStreamAsync(Token));
        await NextAsync(reader);

        bridge.Services.GetRequiredService<IHostApplicationLifetime>().StopApplication();

        // The stream ends regularly, not with a broken connection.
        await reader.ReadToEndAsync(Token).WaitAsync(Patience, Token);
    }

    [Fact]
    public async Task Drain_ForeignOrigin_RefusedWithoutDrain()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        using var request = new HttpRequestMessage(HttpMethod.Post, "/bridge/instances/sim-1/drain");
        request.Headers.Add("Origin", "https://evil.example");

        using var answer = await bridge.Client.SendAsync(request, Token);

        Assert.Equal(HttpStatusCode.Forbidden, answer.StatusCode);
        Assert.False(bridge.Fleet.Current.Instances.Single().Draining);
    }

    private static Task<HttpResponseMessage> OpenAsync(TestBridge bridge, string? key = null)
    {
        var request = new HttpRequestMessage(HttpMethod.Get, "/bridge/events");
        if (key is not null)
            request.Headers.Authorization = new("Bearer", key);
        return bridge.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Token);
    }

    private static async Task<JsonNode> NextAsync(StreamReader reader)
    {
        while (await reader.ReadLineAsync(Token).AsTask().WaitAsync(Patience, Token) is { } line)
            if (line.StartsWith("data: ", StringComparison.Ordinal))
                return JsonNode.Parse(line["data: ".Length..])!;
        throw new EndOfStreamException("the stream ended without a snapshot");
    }
}

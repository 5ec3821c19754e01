using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.DependencyInjection;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Gateway.Tenants;
using OllamaBridge.Testing;

namespace OllamaBridge.Gateway.FunctionalTests.Tenants;

/// <summary>Tenants that the API of one gateway created: their validity at other gateways, and without Redis.</summary>
public sealed class SharedTenantTests
{
    private static readonly TimeSpan Patience = TestTimeouts.Guard;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Tenant_CreatedAtOneGateway_ValidAtOtherAndAfterRestart()
    {
        await using var state = await RunningStateServer.StartAsync();
        await using var fleet = await TestFleet.StartAsync(1);
        var address = $"127.0.0.1:{state.Options.Port}";
        await using var other = await StartAsync(fleet, address);
        string admin;
        (string Id, string Key) second;
        await using (var one = await StartAsync(fleet, address))
        {
            using (var put = await SendAsync(one, HttpMethod.Put, "/bridge/tenants/ops", null, new { scopes = "Inference, Admin" }))
                Assert.Equal(HttpStatusCode.OK, put.StatusCode);
            admin = (await NewKeyAsync(one, "/bridge/tenants/ops/keys", null)).Key;
            await BecomesAsync(other, null, HttpStatusCode.Unauthorized); // the first key also closes this gateway
            Assert.Equal(HttpStatusCode.OK, await AskAsync(other, admin));

            // The key is created at the gateway that did not create its tenant, and is used at the first one.
            using (var put = await SendAsync(other, HttpMethod.Put, "/bridge/tenants/team", admin, new { weight = 2 }))
                Assert.Equal(HttpStatusCode.OK, put.StatusCode);
            var first = await NewKeyAsync(other, "/bridge/tenants/team/keys", admin);
            await BecomesAsync(one, first.Key, HttpStatusCode.OK);

            // After a rotation with an overlap both keys are valid at the other gateway; without an overlap only the new one is.
            second = await NewKeyAsync(one, $"/bridge/tenants/team/keys/{first.Id}/rotate?overlapSeconds=3600", admin);
            await BecomesAsync(other, second.Key, HttpStatusCode.OK);
            Assert.Equal(HttpStatusCode.OK, await AskAsync(other, first.Key));
            var third = await NewKeyAsync(one, $"/bridge/tenants/team/keys/{first.Id}/rotate?overlapSeconds=0", admin);
            await BecomesAsync(other, third.Key, HttpStatusCode.OK);
            Assert.Equal(HttpStatusCode.Unauthorized, await AskAsync(other, first.Key));

            using (var disabled = await SendAsync(one, HttpMethod.Post, "/bridge/tenants/team/disable", admin))
                Assert.Equal(HttpStatusCode.OK, disabled.StatusCode);
            await BecomesAsync(other, second.Key, HttpStatusCode.Unauthorized);
            using (var enabled = await SendAsync(other, HttpMethod.Post, "/bridge/tenants/team/enable", admin))
                Assert.Equal(HttpStatusCode.OK, enabled.StatusCode);
            await BecomesAsync(one, second.Key, HttpStatusCode.OK);
        }

        await using var anew = await StartAsync(fleet, address);
        Assert.Equal(HttpStatusCode.OK, await AskAsync(anew, second.Key)); // from its first request on
        using (var removed = await SendAsync(anew, HttpMethod.Delete, "/bridge/tenants/team", admin))
            Assert.Equal(HttpStatusCode.NoContent, removed.StatusCode);
        await BecomesAsync(other, second.Key, HttpStatusCode.Unauthorized);
        foreach (var bridge in new[] { other, anew })
            Assert.DoesNotContain(bridge.Logs.Lines, l => l.Contains(second.Key, StringComparison.Ordinal) || l.Contains(second.Key.Split('-', 3)[2], StringComparison.Ordinal));
    }

    [Fact]
    public async Task Redis_Lost_KeysKeepWorkingAndChangesFailWith503()
    {
        await using var proxy = new RedisProxy();
        await using var state = await RunningStateServer.StartAsync();
        proxy.Target = state.Options.Port;
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await StartAsync(fleet, proxy.Address);
        await HealthAsync(bridge, "Healthy");
        using (var put = await SendAsync(bridge, HttpMethod.Put, "/bridge/tenants/ops", null, new { scopes = "Inference, Admin" }))
            Assert.Equal(HttpStatusCode.OK, put.StatusCode);
        var (id, key) = await NewKeyAsync(bridge, "/bridge/tenants/ops/keys", null);
        // Health details and metrics require the key from now on.
        bridge.Client.DefaultRequestHeaders.Authorization = new("Bearer", key);

        proxy.Lose();
        await HealthAsync(bridge, "Degraded");

        Assert.Equal(HttpStatusCode.OK, await AskAsync(bridge, key));
        Assert.Equal(HttpStatusCode.Unauthorized, await AskAsync(bridge, ApiKey.Create().Key));
        foreach (var (method, path) in new[]
        {
            (HttpMethod.Put, "/bridge/tenants/ops"), (HttpMethod.Put, "/bridge/tenants/new"), (HttpMethod.Delete, "/bridge/tenants/ops"),
            (HttpMethod.Post, "/bridge/tenants/ops/keys"), (HttpMethod.Post, "/bridge/tenants/ops/disable"),
            (HttpMethod.Post, $"/bridge/tenants/ops/keys/{id}/rotate"), (HttpMethod.Delete, $"/bridge/tenants/ops/keys/{id}"),
        })
        {
            using var answer = await SendAsync(bridge, method, path, key, method == HttpMethod.Put ? new { weight = 3 } : null);
            Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
            Assert.Equal("application/problem+json", answer.Content.Headers.ContentType!.MediaType);
            Assert.Equal(TimeSpan.FromSeconds(1), answer.Headers.RetryAfter!.Delta);
        }

        using (var list = await SendAsync(bridge, HttpMethod.Get, "/bridge/tenants", key))
            Assert.Equal("ops", (await list.Content.ReadFromJsonAsync<JsonNode>(Token))!.AsArray().Single()!["id"]!.GetValue<string>());
        Assert.Contains("tenants: ", (await bridge.GetJsonAsync("/health"))["checks"]!["state"]!.GetValue<string>(), StringComparison.Ordinal);
        // The exporter may return cached values for a short time.
        await Eventually.BecomesAsync(
            () => bridge.Client.GetStringAsync("/metrics", Token).GetAwaiter().GetResult()
                .Contains("ollama_state_store_healthy{otel_scope_name=\"OllamaBridge.Gateway\",store=\"tenants\"} 0", StringComparison.Ordinal),
            TimeSpan.FromSeconds(20));

        proxy.Target = state.Options.Port;
        await HealthAsync(bridge, "Healthy");
        using var changed = await SendAsync(bridge, HttpMethod.Put, "/bridge/tenants/ops", key, new { scopes = "Inference, Admin", weight = 3 });
        Assert.Equal(HttpStatusCode.OK, changed.StatusCode);
        Assert.Equal(HttpStatusCode.OK, await AskAsync(bridge, key));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Start_RedisAvailableLater_503ThenServed(bool requireKey)
    {
        await using var state = await RunningStateServer.StartAsync();
        await using var fleet = await TestFleet.StartAsync(1);
        string stored;
        await using (var before = await StartAsync(fleet, $"127.0.0.1:{state.Options.Port}"))
        {
            await HealthAsync(before, "Healthy");
            using (var put = await SendAsync(before, HttpMethod.Put, "/bridge/tenants/ops", null, new { scopes = "Inference, Admin" }))
                Assert.Equal(HttpStatusCode.OK, put.StatusCode);
            stored = (await NewKeyAsync(before, "/bridge/tenants/ops/keys", null)).Key;
        }

        await using var proxy = new RedisProxy();
        var (configured, verifier) = ApiKey.Create();
        await using var bridge = await StartAsync(
            fleet,
            proxy.Address,
            requireKey ? [("Bridge:Access:RequireKey", "true"), ("Bridge:Tenants:team:Keys:0", verifier.ToString())] : []);

        // More requests than the login throttle allows without a delay. None counts as a failed login: the next failure is the first one.
        for (var i = 0; i < 20; i++)
            Assert.Equal(HttpStatusCode.ServiceUnavailable, await AskAsync(bridge, stored));
        Assert.Equal(TimeSpan.Zero, bridge.Services.GetRequiredService<FailedLoginThrottle>().Fail("127.0.0.1"));
        foreach (var (path, body, words) in new[]
        {
            ("/v1/chat/completions", Ask.OpenAI(), "\"type\":\"api_error\""), ("/v1/messages", Ask.Anthropic(), "\"type\":\"overloaded_error\""),
            ("/api/chat", Ask.Chat(stream: false), "\"error\":\"API keys cannot be checked at the moment\""),
        })
        {
            using var answer = await SendAsync(bridge, HttpMethod.Post, path, stored, body);
            Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
            Assert.Equal(TimeSpan.FromSeconds(1), answer.Headers.RetryAfter!.Delta);
            Assert.Contains(words, await answer.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
        }

        // Without a key the behavior equals that without stored tenants: a local client is the operator if no key is required.
        Assert.Equal(requireKey ? HttpStatusCode.Unauthorized : HttpStatusCode.OK, await AskAsync(bridge, null));
        using (var list = await SendAsync(bridge, HttpMethod.Get, "/bridge/tenants", null))
            Assert.Equal(requireKey ? HttpStatusCode.Unauthorized : HttpStatusCode.OK, list.StatusCode);
        using (var list = await SendAsync(bridge, HttpMethod.Get, "/bridge/tenants", requireKey ? stored : null, from: "192.0.2.1"))
            Assert.Equal(requireKey ? HttpStatusCode.ServiceUnavailable : HttpStatusCode.Forbidden, list.StatusCode);
        if (requireKey)
            Assert.Equal(HttpStatusCode.OK, await AskAsync(bridge, configured));
        else
            Assert.Equal(HttpStatusCode.OK, await AskAsync(bridge, "sk-of-another-kind"));

        proxy.Target = state.Options.Port;
        await BecomesAsync(bridge, stored, HttpStatusCode.OK);
        Assert.Equal(HttpStatusCode.Unauthorized, await AskAsync(bridge, null));
        using (var list = await SendAsync(bridge, HttpMethod.Get, "/bridge/tenants", stored))
            Assert.Equal(HttpStatusCode.OK, list.StatusCode);
        Assert.Contains(bridge.Logs.Lines, l => l.StartsWith("Warning 1401", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Start_InvalidTenantsInterval_Reported()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        var e = await Assert.ThrowsAnyAsync<Exception>(() => TestBridge.StartAsync(fleet.Servers, ("Bridge:Access:TenantsInterval", "00:00:00")));
        Assert.Contains("Bridge:Access:TenantsInterval", e.ToString(), StringComparison.Ordinal);
    }

    private static Task<TestBridge> StartAsync(TestFleet fleet, string connection, params (string, string)[] settings) => TestBridge.StartAsync(
        fleet.Servers,
        [("ConnectionStrings:state", connection), ("Bridge:State:ProbeInterval", "00:00:00.1"),
            ("Bridge:Access:TenantsInterval", "00:00:00.1"), .. settings]);

    private static async Task HealthAsync(TestBridge bridge, string expected)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(Token);
        patience.CancelAfter(Patience);
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        while ((await bridge.GetJsonAsync("/health"))["checks"]!["state"]!.GetValue<string>().Split(':')[0] != expected)
            await timer.WaitForNextTickAsync(patience.Token);
    }

    /// <summary>Repeats a request until a key gets the expected status, because another gateway reads changes at an interval.</summary>
    private static Task BecomesAsync(TestBridge bridge, string? key, HttpStatusCode expected) =>
        Eventually.BecomesAsync(async () => await AskAsync(bridge, key) == expected, Patience);

    private static async Task<HttpStatusCode> AskAsync(TestBridge bridge, string? key)
    {
        using var answer = await SendAsync(bridge, HttpMethod.Post, "/api/chat", key, Ask.Chat(stream: false));
        return answer.StatusCode;
    }

    private static async Task<(string Id, string Key)> NewKeyAsync(TestBridge bridge, string path, string? key)
    {
        using var answer = await SendAsync(bridge, HttpMethod.Post, path, key);
        Assert.Equal(HttpStatusCode.Created, answer.StatusCode);
        var json = (await answer.Content.ReadFromJsonAsync<JsonNode>(Token))!;
        return (json["id"]!.GetValue<string>(), json["key"]!.GetValue<string>());
    }

    private static Task<HttpResponseMessage> SendAsync(
        TestBridge bridge, HttpMethod method, string path, string? key, object? body = null, string? from = null)
    {
        var request = new HttpRequestMessage(method, path) { Content = body is null ? null : JsonContent.Create(body) };
        if (key is not null)
            request.Headers.TryAddWithoutValidation("Authorization", $"Bearer {key}");
        if (from is not null)
            request.Headers.Add("Test-Remote-Address", from);
        return bridge.Client.SendAsync(request, Token);
    }
}

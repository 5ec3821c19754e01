using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.FunctionalTests.Tenants;

/// <summary>Access of tenants to models and routes, and refusals in the client's protocol.</summary>
public sealed class TenantTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("/api/chat", "\"error\":")]
    [InlineData("/v1/chat/completions", "\"type\":\"authentication_error\"")]
    [InlineData("/v1/messages", "\"type\":\"authentication_error\"")]
    public async Task Send_KeysConfigured_ValidKeyRequired(string path, string words)
    {
        var (key, verifier) = ApiKey.Create();
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers, ("Bridge:Tenants:team-a:Keys:0", verifier.ToString()));

        foreach (var wrong in new[] { null, "sk-anything", ApiKey.Create().Key, key + "x" })
        {
            using var refused = await AskAsync(bridge, path, wrong);
            Assert.Equal(HttpStatusCode.Unauthorized, refused.StatusCode);
            Assert.Equal("Bearer", refused.Headers.WwwAuthenticate.Single().Scheme);
            var body = await refused.Content.ReadAsStringAsync(Token);
            Assert.Contains(words, body, StringComparison.Ordinal);
            Assert.DoesNotContain(wrong ?? key, body, StringComparison.Ordinal);
        }

        Assert.Equal(0, fleet.Sum(s => s.Seen.Count(r => r.Path == path)));
        using var answered = await AskAsync(bridge, path, key);
        Assert.Equal(HttpStatusCode.OK, answered.StatusCode);
        using var anthropic = await AskAsync(bridge, path, key, header: "x-api-key");
        Assert.Equal(HttpStatusCode.OK, anthropic.StatusCode);
        Assert.DoesNotContain(bridge.Logs.Lines, l => l.Contains(key, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Send_KeysConfigured_HealthRoutesStayOpen()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers, ("Bridge:Tenants:team-a:Keys:0", ApiKey.Create().Verifier.ToString()));

        Assert.Equal("Ollama is running", await bridge.Client.GetStringAsync("/", Token));
        Assert.Contains("version", await bridge.Client.GetStringAsync("/api/version", Token), StringComparison.Ordinal);
        using var tags = await bridge.Client.GetAsync("/api/tags", Token);
        Assert.Equal(HttpStatusCode.Unauthorized, tags.StatusCode);
    }

    [Fact]
    public async Task Send_ExpiredOrDisabledKey_Refused()
    {
        var (expired, expiredVerifier) = ApiKey.Create();
        var (disabled, disabledVerifier) = ApiKey.Create();
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(
            fleet.Servers,
            ("Bridge:Tenants:team-a:Keys:0", $"{expiredVerifier};2020-01-31"),
            ("Bridge:Tenants:team-b:Keys:0", disabledVerifier.ToString()),
            ("Bridge:Tenants:team-b:Disabled", "true"));

        foreach (var key in new[] { expired, disabled })
        {
            using var answer = await AskAsync(bridge, "/api/chat", key);
            Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
        }
    }

    [Fact]
    public async Task Models_RestrictedTenant_SeesAndUsesOnlyItsModels()
    {
        var (key, verifier) = ApiKey.Create();
        await using var fleet = await TestFleet.StartAsync(1, options: null, TestFleet.Model, "qwen3:8b", "secret-model:1b");
        await using var bridge = await TestBridge.StartAsync(
            fleet.Servers,
            ("Bridge:Tenants:team-a:Keys:0", verifier.ToString()),
            ("Bridge:Tenants:team-a:Models:0", "deepseek-r1:*"),
            ("Bridge:Tenants:team-a:Models:1", "qwen3:8b"));

        foreach (var path in new[] { "/api/tags", "/v1/models" })
        {
            using var list = await SendAsync(bridge, HttpMethod.Get, path, key);
            var text = await list.Content.ReadAsStringAsync(Token);
            Assert.Contains("qwen3:8b", text, StringComparison.Ordinal);
            Assert.Contains(TestFleet.Model, text, StringComparison.Ordinal);
            Assert.DoesNotContain("secret-model", text, StringComparison.Ordinal);
        }

        using var hidden = await AskAsync(bridge, "/api/chat", key, model: "secret-model:1b");
        using var unknown = await AskAsync(bridge, "/api/chat", key, model: "nobody-has:1b");
        Assert.Equal(HttpStatusCode.NotFound, hidden.StatusCode);
        Assert.Equal(
            (await unknown.Content.ReadAsStringAsync(Token)).Replace("nobody-has", "secret-model", StringComparison.Ordinal),
            await hidden.Content.ReadAsStringAsync(Token));
        using var show = await SendAsync(bridge, HttpMethod.Post, "/api/show", key, new { model = "secret-model:1b" });
        Assert.Equal(HttpStatusCode.NotFound, show.StatusCode);
        Assert.DoesNotContain(fleet[0].Statistics.Seen, r => r.Path is "/api/chat" or "/api/show");
    }

    [Fact]
    public async Task Scopes_InferenceKey_CannotManageOrAdminister()
    {
        var (user, userVerifier) = ApiKey.Create();
        var (admin, adminVerifier) = ApiKey.Create();
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(
            fleet.Servers,
            ("Bridge:Tenants:users:Keys:0", userVerifier.ToString()),
            ("Bridge:Tenants:ops:Keys:0", adminVerifier.ToString()),
            ("Bridge:Tenants:ops:Scopes", "Management, Admin"));

        using var delete = await SendAsync(bridge, HttpMethod.Delete, "/api/delete", user, new { model = TestFleet.Model });
        Assert.Equal(HttpStatusCode.Forbidden, delete.StatusCode);
        using var list = await SendAsync(bridge, HttpMethod.Get, "/bridge/tenants", user);
        Assert.Equal(HttpStatusCode.Forbidden, list.StatusCode);
        using var nobody = await SendAsync(bridge, HttpMethod.Get, "/bridge/tenants", null);
        Assert.Equal(HttpStatusCode.Unauthorized, nobody.StatusCode);
        using var chat = await AskAsync(bridge, "/api/chat", admin);
        Assert.Equal(HttpStatusCode.Forbidden, chat.StatusCode);
        using var tenants = await SendAsync(bridge, HttpMethod.Get, "/bridge/tenants", admin);
        var text = await tenants.Content.ReadAsStringAsync(Token);
        Assert.Contains("\"ops\"", text, StringComparison.Ordinal);
        Assert.DoesNotContain(userVerifier.ToString().Split('.')[2], text, StringComparison.Ordinal);
        using var gone = await SendAsync(bridge, HttpMethod.Delete, "/api/delete", admin, new { model = TestFleet.Model });
        Assert.Equal(HttpStatusCode.OK, gone.StatusCode);
    }

    [Fact]
    public async Task Scopes_DrainKey_DrainsAndUndrainsOnly()
    {
        var (key, verifier) = ApiKey.Create();
        var (_, adminVerifier) = ApiKey.Create();
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(
            fleet.Servers,
            ("Bridge:Tenants:servers:Keys:0", verifier.ToString()),
            ("Bridge:Tenants:servers:Scopes", "Drain"),
            ("Bridge:Tenants:ops:Keys:0", adminVerifier.ToString()),
            ("Bridge:Tenants:ops:Scopes", "Admin"));

        using var drained = await SendAsync(bridge, HttpMethod.Post, "/bridge/instances/sim-1/drain", key);
        Assert.Equal((HttpStatusCode.OK, true), (drained.StatusCode, bridge.Fleet.Current.Instances[0].Draining));
        using var back = await SendAsync(bridge, HttpMethod.Post, "/bridge/instances/sim-1/undrain", key);
        Assert.Equal((HttpStatusCode.OK, false), (back.StatusCode, bridge.Fleet.Current.Instances[0].Draining));
        foreach (var (method, path) in new[] { (HttpMethod.Get, "/bridge/instances"), (HttpMethod.Delete, "/bridge/instances/sim-1"), (HttpMethod.Get, "/bridge/tenants"), (HttpMethod.Put, "/bridge/tenants/mine") })
        {
            using var refused = await SendAsync(bridge, method, path, key);
            Assert.Equal((path, HttpStatusCode.Forbidden), (path, refused.StatusCode));
        }

        using var chat = await AskAsync(bridge, "/api/chat", key);
        Assert.Equal(HttpStatusCode.Forbidden, chat.StatusCode);
    }

    [Fact]
    public async Task Api_Tenant_CreatedRotatedDisabledRemoved()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);

        // Without any key, a local client is the operator.
        using var created = await SendAsync(bridge, HttpMethod.Put, "/bridge/tenants/ops", null, new { scopes = "Inference, Admin", weight = 2.5 });
        Assert.Equal(HttpStatusCode.OK, created.StatusCode);
        var first = await NewKeyAsync(bridge, "/bridge/tenants/ops/keys", null);
        using var open = await AskAsync(bridge, "/api/chat", null);
        Assert.Equal(HttpStatusCode.Unauthorized, open.StatusCode);
        using var keyed = await AskAsync(bridge, "/api/chat", first.Key);
        Assert.Equal(HttpStatusCode.OK, keyed.StatusCode);

        var second = await NewKeyAsync(bridge, $"/bridge/tenants/ops/keys/{first.Id}/rotate?overlapSeconds=3600", first.Key);
        foreach (var key in new[] { first.Key, second.Key })
        {
            using var both = await AskAsync(bridge, "/api/chat", key);
            Assert.Equal(HttpStatusCode.OK, both.StatusCode);
        }

        var third = await NewKeyAsync(bridge, $"/bridge/tenants/ops/keys/{second.Id}/rotate?overlapSeconds=0", first.Key);
        using var over = await AskAsync(bridge, "/api/chat", second.Key);
        Assert.Equal(HttpStatusCode.Unauthorized, over.StatusCode);
        using var removed = await SendAsync(bridge, HttpMethod.Delete, $"/bridge/tenants/ops/keys/{first.Id}", third.Key);
        Assert.Equal(HttpStatusCode.NoContent, removed.StatusCode);
        using var forgotten = await AskAsync(bridge, "/api/chat", first.Key);
        Assert.Equal(HttpStatusCode.Unauthorized, forgotten.StatusCode);

        using var team = await SendAsync(bridge, HttpMethod.Put, "/bridge/tenants/team", third.Key, new { models = new[] { "deepseek-r1*" } });
        var member = await NewKeyAsync(bridge, "/bridge/tenants/team/keys", third.Key);
        using var disabled = await SendAsync(bridge, HttpMethod.Post, "/bridge/tenants/team/disable", third.Key);
        using var refused = await AskAsync(bridge, "/api/chat", member.Key);
        Assert.Equal(HttpStatusCode.Unauthorized, refused.StatusCode);
        using var enabled = await SendAsync(bridge, HttpMethod.Post, "/bridge/tenants/team/enable", third.Key);
        using var again = await AskAsync(bridge, "/api/chat", member.Key);
        Assert.Equal(HttpStatusCode.OK, again.StatusCode);
        using var deleted = await SendAsync(bridge, HttpMethod.Delete, "/bridge/tenants/team", third.Key);
        Assert.Equal(HttpStatusCode.NoContent, deleted.StatusCode);
        using var lost = await AskAsync(bridge, "/api/chat", member.Key);
        Assert.Equal(HttpStatusCode.Unauthorized, lost.StatusCode);
    }

    [Theory]
    [InlineData("PUT", "/bridge/tenants/Bad%20Name", HttpStatusCode.BadRequest)]
    [InlineData("PUT", "/bridge/tenants/anonymous", HttpStatusCode.BadRequest)]
    [InlineData("POST", "/bridge/tenants/nobody/keys", HttpStatusCode.NotFound)]
    [InlineData("DELETE", "/bridge/tenants/nobody", HttpStatusCode.NotFound)]
    [InlineData("PUT", "/bridge/tenants/configured", HttpStatusCode.Conflict)]
    [InlineData("DELETE", "/bridge/tenants/configured", HttpStatusCode.Conflict)]
    [InlineData("GET", "/bridge/tenants/nobody", HttpStatusCode.NotFound)]
    public async Task Api_InvalidRequests_ErrorsReported(string method, string path, HttpStatusCode status)
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers, ("Bridge:Tenants:configured:Weight", "2"));

        using var answer = await SendAsync(bridge, new HttpMethod(method), path, null, method == "PUT" ? new { weight = 1 } : null);

        Assert.Equal(status, answer.StatusCode);
        Assert.Equal("application/problem+json", answer.Content.Headers.ContentType!.MediaType);
    }

    [Theory]
    [InlineData("""{ "weight": "much" }""", "$.weight")]
    [InlineData("""{ "models": null }""", "$.models")]
    [InlineData("""{ "scopes": "Everything" }""", "$.scopes")]
    [InlineData("""not json""", "$")]
    [InlineData("""{ "limits": { "tokensPerDay": -1 } }""", "TokensPerDay")]
    public async Task Api_InvalidTenantBody_ErrorNamesPosition(string body, string where)
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);

        using var answer = await bridge.Client.PutAsync("/bridge/tenants/team", new StringContent(body, System.Text.Encoding.UTF8, "application/json"), Token);

        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Contains(where, await answer.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Start_OpenWithoutKeys_RefusedUnlessConfigured()
    {
        await using var fleet = await TestFleet.StartAsync(1);

        var e = await Assert.ThrowsAnyAsync<OptionsValidationException>(() => TestBridge.StartAsync(fleet.Servers, ("urls", "http://0.0.0.0:0")));
        Assert.Contains("AllowAnonymous", e.Message, StringComparison.Ordinal);
        await using var said = await TestBridge.StartAsync(fleet.Servers, ("urls", "http://0.0.0.0:0"), ("Bridge:Access:AllowAnonymous", "true"));
        await using var keyed = await TestBridge.StartAsync(fleet.Servers, ("urls", "http://0.0.0.0:0"), ("Bridge:Access:RequireKey", "true"));
        using var answer = await AskAsync(keyed, "/api/chat", null);
        Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
        Assert.Contains(said.Logs.Lines, l => l.Contains("Warning 1400", StringComparison.Ordinal));
        Assert.DoesNotContain(keyed.Logs.Lines, l => l.Contains("Warning 1400", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Start_InvalidTenants_EachErrorNamesItsKey()
    {
        await using var fleet = await TestFleet.StartAsync(1);

        var e = await Assert.ThrowsAnyAsync<OptionsValidationException>(() => TestBridge.StartAsync(
            fleet.Servers,
            ("Bridge:Tenants:Team!:Weight", "0"),
            ("Bridge:Tenants:team:Keys:0", "a key in clear"),
            ("Bridge:Tenants:team:Limits:TokensPerDay", "-5"),
            ("Bridge:Tenants:team:Models:0", "what\u0007is this?")));

        foreach (var key in new[] { "Bridge:Tenants:Team!:", "Bridge:Tenants:Team!:Weight", "Bridge:Tenants:team:Keys:0", "Bridge:Tenants:team:Limits:TokensPerDay", "Bridge:Tenants:team:Models" })
            Assert.Contains(key, e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("a key in clear", e.Message, StringComparison.Ordinal);
    }

    private static async Task<(string Id, string Key)> NewKeyAsync(TestBridge bridge, string path, string? key)
    {
        using var answer = await SendAsync(bridge, HttpMethod.Post, path, key);
        Assert.Equal(HttpStatusCode.Created, answer.StatusCode);
        var json = (await answer.Content.ReadFromJsonAsync<JsonNode>(Token))!;
        return (json["id"]!.GetValue<string>(), json["key"]!.GetValue<string>());
    }

    private static Task<HttpResponseMessage> AskAsync(TestBridge bridge, string path, string? key, string model = TestFleet.Model, string header = "Authorization") =>
        SendAsync(bridge, HttpMethod.Post, path, key, path == "/v1/messages" ? Ask.Anthropic(model) : path == "/api/chat" ? Ask.Chat(model, stream: false) : Ask.OpenAI(model), header);

    private static Task<HttpResponseMessage> SendAsync(
        TestBridge bridge, HttpMethod method, string path, string? key, object? body = null, string header = "Authorization")
    {
        var request = new HttpRequestMessage(method, path) { Content = body is null ? null : JsonContent.Create(body) };
        if (key is not null)
            request.Headers.TryAddWithoutValidation(header, header == "Authorization" ? $"Bearer {key}" : key);
        return bridge.Client.SendAsync(request, Token);
    }
}

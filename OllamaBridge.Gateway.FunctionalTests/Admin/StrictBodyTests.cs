using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;

namespace OllamaBridge.Gateway.FunctionalTests.Admin;

/// <summary>Bodies and queries of the operators' API: unknown keys are errors, PUT replaces, and PATCH changes.</summary>
public sealed class StrictBodyTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("PUT", "/bridge/tenants/t", """{"model":["x"]}""", "'models'")]
    [InlineData("PUT", "/bridge/tenants/t", """{"Models":["x"]}""", "'models'")]
    [InlineData("PUT", "/bridge/tenants/t", """{"limits":{"tokensPerDy":5}}""", "'limits.tokensPerDay'")]
    [InlineData("PUT", "/bridge/tenants/t", """{"limits":{"models":[{"modle":"x"}]}}""", "'limits.models[0].model'")]
    [InlineData("PUT", "/bridge/tenants/t", """{"limits":{"isUnlimited":true}}""", "limits.isUnlimited")]
    [InlineData("PUT", "/bridge/tenants/t", """{"scopes":"Inferance"}""", "Inference")]
    [InlineData("PUT", "/bridge/tenants/t", """{"scopes":4}""", "scopes")]
    [InlineData("PUT", "/bridge/tenants/t", """{"weight":"heavy"}""", "weight")]
    [InlineData("PUT", "/bridge/tenants/t", """{"weight":1,"weight":2}""", "weight")]
    [InlineData("PUT", "/bridge/tenants/t", """{"models":[null]}""", "models[0]")]
    [InlineData("PUT", "/bridge/tenants/t", "null", "object")]
    [InlineData("PUT", "/bridge/tenants/t", "[]", "object")]
    [InlineData("PUT", "/bridge/tenants/t", "", "JSON")]
    [InlineData("PUT", "/bridge/tenants/t", "{", "JSON")]
    [InlineData("PATCH", "/bridge/tenants/known", """{"model":null}""", "'models'")]
    [InlineData("PATCH", "/bridge/tenants/known", """{"weight":-1}""", "Weight")]
    [InlineData("PATCH", "/bridge/tenants/known", """{"limits":{"tokensPerDy":null}}""", "'limits.tokensPerDay'")]
    [InlineData("POST", "/bridge/instances", """{"url":"http://127.0.0.1:9","slot":2}""", "'slots'")]
    [InlineData("POST", "/bridge/instances", """{"url":"http://127.0.0.1:9","kind":"OpenIA"}""", "OpenAI")]
    [InlineData("POST", "/bridge/tenants/known/keys", """{"expires":"2030-01-01"}""", "expires")]
    [InlineData("POST", "/bridge/tenants/known/keys?expire=2030-01-01", "", "'expires'")]
    [InlineData("POST", "/bridge/instances/sim-1/drain?dedline=5", "", "'deadline'")]
    [InlineData("POST", "/bridge/instances/sim-1/drain", """{"deadline":5}""", "deadline")]
    [InlineData("POST", "/bridge/instances/sim-1/undrain?wait=true", "", "wait")]
    [InlineData("DELETE", "/bridge/tenants/known?force=1", "", "force")]
    public async Task Request_UnknownKey_400WithNearestName(string method, string path, string body, string words)
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        using var known = await SendAsync(bridge, "PUT", "/bridge/tenants/known", "{}");
        Assert.Equal(HttpStatusCode.OK, known.StatusCode);

        using var answer = await SendAsync(bridge, method, path, body);

        var text = await answer.Content.ReadAsStringAsync(Token);
        Assert.True(answer.StatusCode == HttpStatusCode.BadRequest, $"{answer.StatusCode}: {text}");
        Assert.Contains(words, JsonNode.Parse(text)!["detail"]!.GetValue<string>(), StringComparison.Ordinal);
        Assert.Single((await bridge.GetJsonAsync("/bridge/tenants")).AsArray());
    }

    [Fact]
    public async Task Tenant_PutAndPatch_ReplaceAndChange()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);

        await ChangeAsync("PUT", """{"models":["a:1"],"weight":3,"limits":{"tokensPerDay":5,"requestsPerSecond":2}}""");
        var patched = await ChangeAsync("PATCH", """{"weight":4,"limits":{"tokensPerDay":null,"tokensPerMinute":7},"priority":"Batch"}""");
        Assert.Equal(("a:1", 4, "Batch"), (patched["models"]![0]!.GetValue<string>(), patched["weight"]!.GetValue<int>(), patched["priority"]!.GetValue<string>()));
        Assert.Equal((null, 7, 2), (patched["limits"]!["tokensPerDay"], patched["limits"]!["tokensPerMinute"]!.GetValue<int>(), patched["limits"]!["requestsPerSecond"]!.GetValue<int>()));
        var reset = await ChangeAsync("PATCH", """{"models":null,"limits":null}""");
        Assert.Empty(reset["models"]!.AsArray());
        Assert.Null(reset["limits"]!["tokensPerMinute"]);
        var replaced = await ChangeAsync("PUT", """{"models":["b:1"]}""");
        Assert.Equal(("b:1", 1, "Interactive"), (replaced["models"]![0]!.GetValue<string>(), replaced["weight"]!.GetValue<int>(), replaced["priority"]!.GetValue<string>()));
        using var unknown = await SendAsync(bridge, "PATCH", "/bridge/tenants/nobody", "{}");
        Assert.Equal(HttpStatusCode.NotFound, unknown.StatusCode);
        var api = await bridge.GetJsonAsync("/bridge/openapi.json");
        Assert.NotNull(api["paths"]!["/bridge/tenants/{id}"]!["patch"]!["requestBody"]!["content"]!["application/merge-patch+json"]);

        async Task<JsonNode> ChangeAsync(string method, string body)
        {
            using var answer = await SendAsync(bridge, method, "/bridge/tenants/t", body);
            var text = await answer.Content.ReadAsStringAsync(Token);
            Assert.True(answer.IsSuccessStatusCode, text);
            return JsonNode.Parse(text)!;
        }
    }

    [Fact]
    public async Task Instance_PutAndPatch_ReplaceAndChange()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);

        using var made = await SendAsync(bridge, "PUT", "/bridge/instances/extra", """{"url":"http://127.0.0.1:9","slots":3,"maxLoadedModels":2}""");
        using var patched = await SendAsync(bridge, "PATCH", "/bridge/instances/extra", """{"slots":5}""");
        using var renamed = await SendAsync(bridge, "PATCH", "/bridge/instances/extra", """{"name":"other"}""");
        using var misspelt = await SendAsync(bridge, "PATCH", "/bridge/instances/extra", """{"slot":null}""");
        using var configured = await SendAsync(bridge, "PATCH", "/bridge/instances/sim-1", """{"slots":5}""");
        using var unknown = await SendAsync(bridge, "PATCH", "/bridge/instances/nobody", """{"slots":5}""");

        Assert.Equal(
            [HttpStatusCode.Created, HttpStatusCode.OK, HttpStatusCode.BadRequest, HttpStatusCode.BadRequest, HttpStatusCode.Conflict, HttpStatusCode.NotFound],
            new[] { made, patched, renamed, misspelt, configured, unknown }.Select(a => a.StatusCode));
        Assert.Equal((5, 2), Extra());
        using var replaced = await SendAsync(bridge, "PUT", "/bridge/instances/extra", """{"url":"http://127.0.0.1:9"}""");
        Assert.Equal(HttpStatusCode.OK, replaced.StatusCode);
        Assert.Equal((1, 0), Extra());

        (int, int) Extra() => bridge.Fleet.Current.Instances.Single(i => i.Instance.Name == "extra").Instance is var instance ? (instance.Slots, instance.Definition.MaxLoadedModels) : default;
    }

    private static async Task<HttpResponseMessage> SendAsync(TestBridge bridge, string method, string path, string body)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        if (body.Length > 0 || method is "PUT" or "PATCH")
            request.Content = new StringContent(body, Encoding.UTF8, method == "PATCH" ? "application/merge-patch+json" : "application/json");
        return await bridge.Client.SendAsync(request, Token);
    }
}

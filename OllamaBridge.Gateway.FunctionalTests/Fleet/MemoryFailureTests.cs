using System.Net;
using System.Text.Json.Nodes;
using OllamaBridge.Gateway.Fleet.Breaker;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;

namespace OllamaBridge.Gateway.FunctionalTests.Fleet;

/// <summary>A model that doesn't fit into one instance's memory is served by the instance with most free memory.</summary>
public sealed class MemoryFailureTests
{
    private const string Words = """{"error":"model requires more system memory (9.5 GiB) than is available (2.7 GiB)"}""";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Send_OneInstanceOutOfMemory_InstanceWithMostFreeMemoryServes()
    {
        await using var full = new ScriptedServer(r => r.Path == "/api/chat" ? ScriptedReply.Json(500, Words) : null) { Size = 1 };
        await using var busy = new ScriptedServer(_ => null) { Size = 70_000 };
        await using var free = new ScriptedServer(_ => null) { Size = 20_000 };
        await using var bridge = await ScriptedServer.BridgeAsync([full, busy, free]);

        for (var i = 0; full.Seen.Count == 0; i++)
        {
            Assert.True(i < 200, "the instance got no request");
            using var answer = await AskAsync(bridge, $"{i}");
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            if (full.Seen.Count > 0)
                Assert.Equal("s-3", answer.Headers.GetValues("X-Bridge-Instance").Single());
        }

        Assert.Equal(PlacementCondition.ShortOfMemory, Condition(bridge, "s-1"));
        for (var i = 0; i < 30; i++)
            (await AskAsync(bridge, $"then {i}")).Dispose();
        Assert.Single(full.Seen);
    }

    [Theory]
    [InlineData(null, 16)]
    [InlineData(999, 16)]
    [InlineData(8, 4)]
    public async Task Send_OutOfMemoryEverywhereWithFewerLayersAllowed_RetriedWithHalf(int? asked, int expected)
    {
        var servers = Enumerable.Range(0, 2).Select(_ => new ScriptedServer(
            r => r.Path == "/api/generate" && !r.Body.Contains($"\"num_gpu\":{expected}", StringComparison.Ordinal) ? ScriptedReply.Json(500, Words) : null)).ToArray();
        await using var one = servers[0];
        await using var two = servers[1];
        await using var bridge = await ScriptedServer.BridgeAsync(servers, ("Bridge:Models:0:Name", "m"), ("Bridge:Models:0:OnMemoryFailure", "FewerLayers"));

        using var answer = await bridge.PostAsync(
            "/api/generate", asked is null ? new { model = "m", prompt = "x", stream = false } : new { model = "m", prompt = "x", stream = false, options = new { num_gpu = asked, seed = 1 } }, Token);

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        var sent = servers.SelectMany(s => s.Seen).Where(r => r.Path == "/api/generate").Select(r => JsonNode.Parse(r.Body)!).ToArray();
        Assert.Equal(3, sent.Length);
        var last = Assert.Single(sent, s => s["options"]?["num_gpu"]?.GetValue<int>() == expected);
        Assert.Equal(asked is null ? null : 1, last["options"]!["seed"]?.GetValue<int>());
        Assert.Equal("x", last["prompt"]!.GetValue<string>());
    }

    [Fact]
    public async Task Send_OutOfMemoryEverywhere_ServersError()
    {
        await using var one = new ScriptedServer(r => r.Path == "/api/chat" ? ScriptedReply.Json(500, Words) : null);
        await using var two = new ScriptedServer(r => r.Path == "/api/chat" ? ScriptedReply.Json(500, Words) : null);
        await using var bridge = await ScriptedServer.BridgeAsync([one, two]);

        using var answer = await AskAsync(bridge, "x");

        Assert.Equal(HttpStatusCode.InternalServerError, answer.StatusCode);
        Assert.Equal(Words, await answer.Content.ReadAsStringAsync(Token));
        Assert.Equal(2, one.Seen.Count + two.Seen.Count);
        Assert.Equal(PlacementCondition.Steady, Condition(bridge, "s-1"));
        Assert.Equal(PlacementCondition.Steady, Condition(bridge, "s-2"));
    }

    private static Task<HttpResponseMessage> AskAsync(TestBridge bridge, string text) =>
        bridge.PostAsync("/api/chat", new { model = "m", stream = false, messages = new[] { new { role = "user", content = text } } }, Token);

    private static PlacementCondition Condition(TestBridge bridge, string instance) =>
        bridge.Fleet.Current.Models["m:latest"].Placements.Single(p => p.Instance.Name == instance).State.Guard?.ConditionAt(TimeProvider.System.GetTimestamp())
        ?? PlacementCondition.Steady;
}

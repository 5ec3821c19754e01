using System.Net;
using System.Text;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Simulator;
using OllamaBridge.Testing;

namespace OllamaBridge.Gateway.FunctionalTests.Failover;

/// <summary>
/// A client's error counts as rejected, regardless of the server's status for it; a server's error does not. Runs alone: gateways in one process share their
/// metrics.
/// </summary>
[Collection(nameof(Alone))]
public sealed class ClientFaultOutcomeTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("/api/chat", """{"model":"MODEL","messages":[{"role":"user","content":"x"}],"options":{"temperature":"hot"},"stream":false}""", 500)]
    [InlineData("/api/chat", """{"model":"MODEL","messages":[{"role":"user","content":"x"}],"options":{"temperature":"hot"}}""", 500)]
    [InlineData("/api/generate", """{"model":"MODEL","prompt":"x","options":{"num_predict":"six"}}""", 500)]
    [InlineData("/api/generate", """{"model":"MODEL","prompt":"x","options":{"stop":[1]}}""", 500)]
    [InlineData("/api/generate", """{"model":"MODEL","prompt":"x","options":{"use_mmap":1}}""", 500)]
    [InlineData("/api/generate", """{"model":"MODEL","prompt":"x","format":"xml","stream":false}""", 500)]
    [InlineData("/v1/chat/completions", """{"model":"MODEL","messages":[{"role":"user","content":"x"}],"temperature":"hot"}""", 400)]
    [InlineData("/v1/messages", """{"model":"MODEL","max_tokens":6,"messages":[{"role":"user","content":"x"}],"temperature":"hot"}""", 400)]
    [InlineData("/api/chat", """{"model":"unheard-of","messages":[]}""", 404)]
    [InlineData("/api/chat", """{"model":"MODEL","messages":"x"}""", 400)]
    [InlineData("/api/chat", "{", 400)]
    [InlineData("/v1/messages", """{"model":"MODEL","messages":[{"role":"user","content":"x"}]}""", 400)]
    public async Task Send_ClientError_RejectedInLedgerLogAndMetrics(string path, string body, int status)
    {
        // With one instance, no second attempt shows that the request is at fault.
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        await bridge.UntilAsync(s => s.AnyCatalogKnown, "the model list is read");
        using var answer = await bridge.Client.PostAsync(
            path, new StringContent(body.Replace("MODEL", TestFleet.Model, StringComparison.Ordinal), Encoding.UTF8, "application/json"), Token);

        Assert.Equal((HttpStatusCode)status, answer.StatusCode);
        Assert.Equal(("rejected", status), await LastAsync(bridge, answer));
        Assert.Contains(bridge.Logs.Lines, l => l.StartsWith("Information 1302 ", StringComparison.Ordinal) && l.Contains($" rejected {status} ", StringComparison.Ordinal));
        var metrics = await bridge.Client.GetStringAsync("/metrics", Token);
        Assert.Contains(metrics.Split('\n'), l => l.StartsWith("ollama_requests_total{", StringComparison.Ordinal) && l.Contains("outcome=\"rejected\"", StringComparison.Ordinal));
        Assert.DoesNotContain("outcome=\"failed\"", metrics, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Embed_ModelWithoutEmbeddings_Rejected()
    {
        await using var server = new ScriptedServer(r => r.Path == "/api/embed"
            ? ScriptedReply.Json(501, """{"error":"this model does not support embeddings"}""") : null);
        await using var bridge = await ScriptedServer.BridgeAsync([server]);
        using var answer = await bridge.PostAsync("/api/embed", new { model = "m", input = "x" }, Token);

        Assert.Equal(HttpStatusCode.NotImplemented, answer.StatusCode);
        Assert.Equal(("rejected", 501), await LastAsync(bridge, answer));
    }

    [Fact]
    public async Task Send_RequestFailsRepeatedlyWhileOthersSucceed_RejectedFromThenOn()
    {
        static ScriptedReply? Script(ScriptedRequest r) => r.Path != "/api/chat" ? null
            : r.Body.Contains("poison", StringComparison.Ordinal) ? ScriptedReply.Json(500, """{"error":"grammar stack is empty"}""")
            : ScriptedReply.Json(200, """{"model":"m","message":{"role":"assistant","content":"x"},"done":true}""");
        await using var one = new ScriptedServer(Script);
        await using var two = new ScriptedServer(Script);
        await using var bridge = await ScriptedServer.BridgeAsync([one, two]);
        foreach (var (text, outcome) in ((string, string)[])[("poison", "failed"), ("fine 1", "succeeded"), ("fine 2", "succeeded"), ("fine 3", "succeeded"), ("fine 4", "succeeded")])
        {
            using var answer = await bridge.PostAsync("/api/chat", Ask.Chat("m", stream: false, text: text), Token);
            Assert.Equal(outcome, (await LastAsync(bridge, answer)).Outcome);
        }

        Assert.NotEqual(0, one.Count("fine"));
        Assert.NotEqual(0, two.Count("fine"));
        using var again = await bridge.PostAsync("/api/chat", Ask.Chat("m", stream: false, text: "poison"), Token);
        Assert.Equal(HttpStatusCode.InternalServerError, again.StatusCode);
        Assert.Equal(("rejected", 500), await LastAsync(bridge, again));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Send_ServerError_Failed(int servers)
    {
        await using var fleet = await TestFleet.StartAsync(servers);
        foreach (var server in fleet.Servers)
            server.Faults.Add(new Fault { Kind = FaultKind.Status, Status = 500, Path = "/api/chat" });
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        for (var i = 0; i < 3; i++)
        {
            using var answer = await bridge.PostAsync("/api/chat", Ask.Chat(stream: false), Token);
            Assert.Equal(("failed", (int)answer.StatusCode), await LastAsync(bridge, answer));
        }
    }

    /// <summary>Returns the record of the last request. A client receives its response shortly before the record is written.</summary>
    private static async Task<(string Outcome, int Status)> LastAsync(TestBridge bridge, HttpResponseMessage answer)
    {
        var id = answer.Headers.GetValues("X-Request-Id").Single();
        System.Text.Json.Nodes.JsonNode? last = null;
        await Eventually.BecomesAsync(
            async () => (last = (await bridge.GetJsonAsync("/bridge/ledger?limit=1")).AsArray().FirstOrDefault())?["requestId"]?.GetValue<string>() == id, TimeSpan.FromSeconds(10));
        return (last!["outcome"]!.GetValue<string>(), last["status"]!.GetValue<int>());
    }
}

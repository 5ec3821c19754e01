using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Simulator;
using OllamaBridge.Testing;

namespace OllamaBridge.Gateway.FunctionalTests.Models;

/// <c>ollama stop</c> through the bridge.
public sealed class UnloadTests
{
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(20);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("/api/generate", "\"keep_alive\":0")]
    [InlineData("/api/generate", "\"prompt\":\"\",\"keep_alive\":\"0s\"")]
    [InlineData("/api/chat", "\"messages\":[],\"keep_alive\":0,\"stream\":false")]
    public async Task Unload_LoadedOnSeveral_UnloadedFromAllWithOneResponse(string path, string fields)
    {
        await using var fleet = await TestFleet.StartAsync(3);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        await LoadAsync(fleet, bridge, 0, 2);

        using var answer = await PostAsync(bridge, path, fields);

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal("unload", (string?)JsonNode.Parse(await answer.Content.ReadAsStringAsync(Token))!["done_reason"]);
        foreach (var server in fleet.Servers)
            Assert.Empty(await RunningAsync(server));
    }

    [Fact]
    public async Task Unload_AllSlotsBusy_DoesNotWait()
    {
        await using var fleet = await TestFleet.StartAsync(2, SimulatorOptions.Instant with { ParallelSlots = 1 });
        await using var bridge = await TestBridge.StartAsync(fleet.Servers, ("Bridge:Hedging:Enabled", "false"));
        await LoadAsync(fleet, bridge, 0, 1);
        foreach (var server in fleet.Servers)
            server.Faults.Add(new Fault { Kind = FaultKind.SlowFirstToken, Delay = TimeSpan.FromMinutes(5), Times = 1 });
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Token);
        var busy = Enumerable.Range(0, 2).Select(_ => bridge.PostAsync("/api/chat", Ask.Chat(), stop.Token)).ToArray();
        // A slot is used before its request arrives, and the first request to arrive gets the fault.
        await Eventually.BecomesAsync(() => fleet.Servers.All(s => s.Statistics.Seen.Any(r => r.Path == "/api/chat" && r.Method == "POST")), Soon);

        // If it waited for a slot, it would wait for minutes.
        using var answer = await PostAsync(bridge, "/api/generate", "\"keep_alive\":0").WaitAsync(Soon, Token);

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.All(busy, b => Assert.False(b.IsCompleted));
        await stop.CancelAsync();
        foreach (var request in busy)
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => request);
    }

    [Fact]
    public async Task Unload_NotLoaded_OneInstanceResponds()
    {
        await using var fleet = await TestFleet.StartAsync(2);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        using var answer = await PostAsync(bridge, "/api/generate", "\"keep_alive\":0");
        Assert.Equal("unload", (string?)JsonNode.Parse(await answer.Content.ReadAsStringAsync(Token))!["done_reason"]);
        foreach (var server in fleet.Servers)
            Assert.Empty(await RunningAsync(server));
    }

    [Theory]
    [InlineData("/api/generate", """{"model":"m","keep_alive":0}""", true)]
    [InlineData("/api/generate", """{"model":"m","keep_alive":0.0,"prompt":""}""", true)]
    [InlineData("/api/generate", """{"model":"m","keep_alive":"0","system":"Be brief."}""", true)]
    [InlineData("/api/generate", """{"model":"m","keep_alive":"0m","prompt":null}""", true)]
    [InlineData("/api/chat", """{"model":"m","keep_alive":0,"messages":[]}""", true)]
    [InlineData("/api/chat", """{"model":"m","keep_alive":0,"messages":null}""", true)]
    [InlineData("/api/generate", """{"model":"m","keep_alive":0,"prompt":"Hi"}""", false)]
    [InlineData("/api/chat", """{"model":"m","keep_alive":0,"messages":[{"role":"user","content":""}]}""", false)]
    [InlineData("/api/generate", """{"model":"m","keep_alive":1}""", false)]
    [InlineData("/api/generate", """{"model":"m"}""", false)]
    [InlineData("/api/embed", """{"model":"m","keep_alive":0}""", false)]
    [InlineData("/v1/chat/completions", """{"model":"m","keep_alive":0,"messages":[]}""", false)]
    public void IsUnload_PromptAndKeepAlive_AsInOllama(string path, string body, bool expected)
    {
        var operation = OperationTable.Find(path, out _)!;
        Assert.Equal(expected, UnloadRequest.Matches(operation, RequestInspector.Inspect(new(Encoding.UTF8.GetBytes(body)), operation)));
    }

    private static async Task LoadAsync(TestFleet fleet, TestBridge bridge, params int[] servers)
    {
        using var client = new HttpClient();
        foreach (var server in servers)
            using (var loaded = await client.PostAsync(new Uri(fleet[server].Url, "/api/generate"), Content("\"keep_alive\":-1"), Token))
                loaded.EnsureSuccessStatusCode();
        await bridge.UntilAsync(s => servers.All(i => s.Instances[i].Loaded.Length == 1), "the models are seen in memory");
    }

    private static async Task<JsonArray> RunningAsync(SimulatedServer server)
    {
        using var client = new HttpClient();
        return JsonNode.Parse(await client.GetStringAsync(new Uri(server.Url, "/api/ps"), Token))!["models"]!.AsArray();
    }

    private static Task<HttpResponseMessage> PostAsync(TestBridge bridge, string path, string fields) => bridge.Client.PostAsync(path, Content(fields), Token);

    private static StringContent Content(string fields) => new($$"""{"model":"{{TestFleet.Model}}",{{fields}}}""", Encoding.UTF8, "application/json");
}

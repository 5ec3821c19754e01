using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Aspire.Hosting.ApplicationModel;
using Aspire.Hosting.Testing;
using Microsoft.Extensions.DependencyInjection;
using OllamaBridge.Hosting;

namespace OllamaBridge.Tests;

/// <summary>The running application: orchestrator, dashboard, state, three simulators and the bridge.</summary>
public sealed class RunningTests(RunningApplication application) : IClassFixture<RunningApplication>
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Chats_ThroughBridge_SpreadOverInstances()
    {
        SkipWithoutOrchestrator();

        var answers = await Task.WhenAll(Enumerable.Range(0, 12).Select(i => application.ChatAsync($"Question {i}?")));

        Assert.All(answers, a => Assert.Equal(HttpStatusCode.OK, a.StatusCode));
        Assert.Equal(
            ["ollama-1", "ollama-2", "ollama-3"],
            answers.Select(a => a.Headers.GetValues("X-Bridge-Instance").Single()).Distinct().Order());
    }

    [Fact]
    public async Task Drain_ByCommand_NoNewRequestUntilUndrained()
    {
        SkipWithoutOrchestrator();

        var drained = await application.CommandAsync("ollama-2", InstanceCommands.Drain);
        Assert.True(drained.Success, drained.Message);
        Assert.Contains("ollama-2", drained.Message, StringComparison.Ordinal);
        Assert.True((await application.InstanceAsync("ollama-2"))["draining"]!.GetValue<bool>());
        var answers = await Task.WhenAll(Enumerable.Range(0, 8).Select(i => application.ChatAsync($"While draining {i}?")));
        Assert.All(answers, a => Assert.Equal(HttpStatusCode.OK, a.StatusCode));
        Assert.DoesNotContain(answers, a => a.Headers.GetValues("X-Bridge-Instance").Single() == "ollama-2");
        Assert.Equal(DrainStates.Drained, application.StateOf("ollama-2"));
        await RunningApplication.UntilAsync(
            () => Task.FromResult(
                application.EnabledCommandsOf("ollama-2") is var enabled && enabled.Contains(InstanceCommands.Undrain)
                    && !enabled.Contains(InstanceCommands.Drain)),
            "a drained instance offers Undrain only");

        var undrained = await application.CommandAsync("ollama-2", InstanceCommands.Undrain);
        Assert.True(undrained.Success, undrained.Message);
        Assert.False((await application.InstanceAsync("ollama-2"))["draining"]!.GetValue<bool>());
        Assert.Equal(KnownResourceStates.Running, application.StateOf("ollama-2"));
        await RunningApplication.UntilAsync(
            () => Task.FromResult(
                application.EnabledCommandsOf("ollama-2") is var enabled && enabled.Contains(InstanceCommands.Drain)
                    && !enabled.Contains(InstanceCommands.Undrain)),
            "a running instance offers Drain only");
    }

    [Fact]
    public async Task Drain_ByAnotherOperator_ShownOnResource()
    {
        SkipWithoutOrchestrator();

        // A drain from before the application's start is read in the same way.
        using var drained = await application.Admin.PostAsync("/bridge/instances/ollama-3/drain", content: null, Token);
        Assert.True(drained.IsSuccessStatusCode);
        await RunningApplication.UntilAsync(() => Task.FromResult(application.StateOf("ollama-3") == DrainStates.Drained), "the resource shows the drain");

        using var undrained = await application.Admin.PostAsync("/bridge/instances/ollama-3/undrain", content: null, Token);
        Assert.True(undrained.IsSuccessStatusCode);
        await RunningApplication.UntilAsync(
            () => Task.FromResult(application.StateOf("ollama-3") == KnownResourceStates.Running), "the resource shows that it runs");
    }

    [Fact]
    public async Task Chat_KeyRequired_AcceptsClientKeyOnly()
    {
        SkipWithoutOrchestrator();
        using var client = new HttpClient { BaseAddress = application.Bridge.BaseAddress };

        using var refused = await client.GetAsync("/api/tags", Token);
        client.DefaultRequestHeaders.Authorization = new("Bearer", RunningApplication.ClientKey);
        using var answered = await client.GetAsync("/api/tags", Token);
        using var admin = new HttpClient { BaseAddress = application.Admin.BaseAddress };
        admin.DefaultRequestHeaders.Authorization = client.DefaultRequestHeaders.Authorization;
        using var forbidden = await admin.GetAsync("/bridge/instances", Token);

        Assert.Equal(HttpStatusCode.Unauthorized, refused.StatusCode);
        Assert.Equal(HttpStatusCode.OK, answered.StatusCode);
        // The clients' key is only for inference. The dashboard's commands use another key.
        Assert.Equal(HttpStatusCode.Forbidden, forbidden.StatusCode);
    }

    [Fact]
    public async Task Listeners_EachEndpoint_ServesOnlyItsRoutes()
    {
        SkipWithoutOrchestrator();

        // Both clients send the operator's key.
        foreach (var path in (string[])["/bridge/", "/bridge/instances", "/bridge/openapi.json", "/metrics"])
        {
            using var unknown = await application.Bridge.GetAsync(path, Token);
            using var known = await application.Admin.GetAsync(path, Token);
            Assert.Equal((HttpStatusCode.NotFound, HttpStatusCode.OK), (unknown.StatusCode, known.StatusCode));
        }

        using var models = await application.Admin.GetAsync("/api/tags", Token);
        Assert.Equal(HttpStatusCode.NotFound, models.StatusCode);
    }

    [Fact]
    public async Task Kill_OneInstanceDuringChats_AllResponsesComplete()
    {
        SkipWithoutOrchestrator();
        var before = await application.InstanceAsync("ollama-1");
        Assert.Equal("healthy", before["state"]!.GetValue<string>());
        var begun = 0;
        var chats = Enumerable.Range(0, 12).Select(async i =>
        {
            Interlocked.Increment(ref begun);
            using var answer = await application.ChatAsync($"Question {i}?", tokens: 100, stream: i % 2 == 0);
            var body = await answer.Content.ReadAsStringAsync(Token);
            return (answer.StatusCode, Whole: body.Contains("\"done\":true", StringComparison.Ordinal), body);
        }).ToList();
        await RunningApplication.UntilAsync(
            async () => (await application.InstanceAsync("ollama-1"))["slotsUsed"]!.GetValue<int>() > 0,
            "the instance serves a request");

        application.Kill("ollama-1");
        var answers = await Task.WhenAll(chats);

        Assert.Equal(12, begun);
        Assert.All(answers, a => Assert.True(a.StatusCode == HttpStatusCode.OK && a.Whole, $"{a.StatusCode} {a.body}"));
        // The instance's address refuses connections, so the bridge detects the failure without waiting for a timeout.
        await RunningApplication.UntilAsync(
            async () => (await application.InstanceAsync("ollama-1"))["state"]!.GetValue<string>() != "healthy",
            "the bridge reports the instance as unhealthy");
        var started = await application.CommandAsync("ollama-1", KnownResourceCommands.StartCommand);
        Assert.True(started.Success, started.Message);
        await RunningApplication.UntilAsync(
            async () => (await application.InstanceAsync("ollama-1"))["state"]!.GetValue<string>() == "healthy",
            "the bridge reports the instance as healthy again");
    }

    [Fact]
    public async Task PreloadAndUnload_ByCommand_LoadsAndUnloadsModel()
    {
        SkipWithoutOrchestrator();
        using var instance = application.App.CreateHttpClient("ollama-3");

        var loaded = await application.CommandAsync("ollama-3", InstanceCommands.Preload, (InstanceCommands.Model, RunningApplication.Model));
        Assert.True(loaded.Success, loaded.Message);
        Assert.Contains(RunningApplication.Model, await instance.GetStringAsync("/api/ps", Token), StringComparison.Ordinal);

        var unloaded = await application.CommandAsync("ollama-3", InstanceCommands.Unload, (InstanceCommands.Model, RunningApplication.Model));
        Assert.True(unloaded.Success, unloaded.Message);
        await RunningApplication.UntilAsync(
            async () => !(await instance.GetStringAsync("/api/ps", Token)).Contains(RunningApplication.Model, StringComparison.Ordinal),
            "the model is unloaded");

        var wrong = await application.CommandAsync("ollama-3", InstanceCommands.Preload, (InstanceCommands.Model, "nobody-has-it:1b"));
        Assert.False(wrong.Success);
        Assert.Contains("not found", wrong.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task TestPrompt_ByCommand_ReturnsResponseAndInstance()
    {
        SkipWithoutOrchestrator();

        var result = await application.CommandAsync("bridge", BridgeCommands.TestPrompt, ("model", RunningApplication.Model), ("prompt", "Hello?"));

        Assert.True(result.Success, result.Message);
        Assert.Contains("ollama-", result.Message, StringComparison.Ordinal);
        Assert.NotEmpty(result.Data!.Value);
    }

    [Fact]
    public async Task Stop_OneInstanceUnderLoad_NoRequestFails()
    {
        SkipWithoutOrchestrator();
        var failures = new ConcurrentQueue<string>();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Token);
        var answered = 0;
        var load = Task.WhenAll(Enumerable.Range(0, 6).Select(async caller =>
        {
            for (var i = 0; !stop.IsCancellationRequested; i++)
            {
                using var answer = await application.ChatAsync($"Caller {caller}, question {i}?");
                if (answer.IsSuccessStatusCode)
                    Interlocked.Increment(ref answered);
                else
                    failures.Enqueue($"{(int)answer.StatusCode} {await answer.Content.ReadAsStringAsync(Token)}");
            }
        }));

        await RunningApplication.UntilAsync(() => Task.FromResult(Volatile.Read(ref answered) > 20), "20 requests have completed");
        var stopped = await application.CommandAsync("ollama-1", KnownResourceCommands.StopCommand);
        Assert.True(stopped.Success, stopped.Message);
        await RunningApplication.UntilAsync(
            async () => (await application.InstanceAsync("ollama-1"))["state"]!.GetValue<string>() != "healthy",
            "the bridge reports the instance as unhealthy");
        var then = Volatile.Read(ref answered);
        await RunningApplication.UntilAsync(() => Task.FromResult(Volatile.Read(ref answered) > then + 20), "the other instances complete 20 more requests");
        var started = await application.CommandAsync("ollama-1", KnownResourceCommands.StartCommand);
        Assert.True(started.Success, started.Message);
        await RunningApplication.UntilAsync(
            async () => (await application.InstanceAsync("ollama-1"))["state"]!.GetValue<string>() == "healthy",
            "the bridge reports the instance as healthy again");
        await stop.CancelAsync();
        await load;

        Assert.Empty(failures);
    }

    [Fact]
    public async Task ColdTier_BridgeRequestsOneThenZero_InstanceStartsAndStops()
    {
        SkipWithoutOrchestrator();
        Assert.NotEqual("healthy", (await application.InstanceAsync(RunningApplication.ColdInstance))["state"]!.GetValue<string>());

        Assert.Equal(HttpStatusCode.Accepted, await WishAsync(1));
        await RunningApplication.UntilAsync(
            async () => (await application.InstanceAsync(RunningApplication.ColdInstance))["state"]!.GetValue<string>() == "healthy",
            "the bridge reports the instance as healthy");

        Assert.Equal(HttpStatusCode.Accepted, await WishAsync(0));
        await RunningApplication.UntilAsync(
            async () => (await application.InstanceAsync(RunningApplication.ColdInstance))["state"]!.GetValue<string>() != "healthy",
            "the bridge reports the instance as unhealthy");
    }

    [Fact]
    public async Task Trace_Chat_ShownInDashboard()
    {
        SkipWithoutOrchestrator();
        var id = ActivityTraceId.CreateRandom();
        using var answer = await application.ChatAsync(traceParent: $"00-{id}-{ActivitySpanId.CreateRandom()}-01");
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);

        IReadOnlyList<JsonNode> spans = [];
        await RunningApplication.UntilAsync(async () => (spans = await SpansAsync(id)).Count >= 5, "the trace has arrived");

        var sent = spans.Single(s => Name(s) == $"chat {RunningApplication.Model}");
        // Two servers take part: the bridge, and the instance as a child of the bridge's client span.
        var instance = spans.Single(s => Kind(s) == 2 && Parent(s) == Id(sent));
        var server = spans.Single(s => Kind(s) == 2 && s != instance);
        var queue = spans.Single(s => Name(s) == "queue");
        var decide = spans.Single(s => Name(s) == "decide");
        Assert.Equal("POST /api/chat", Name(instance));
        Assert.Equal(Id(server), Parent(queue));
        Assert.Equal(Id(queue), Parent(decide));
        Assert.Equal(Id(server), Parent(sent));
        var attributes = sent["attributes"]!.ToJsonString();
        foreach (var key in new[] { "gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model", "gen_ai.usage.output_tokens", "bridge.instance" })
            Assert.Contains($"\"{key}\"", attributes, StringComparison.Ordinal);
    }

    [Fact]
    public async Task LogsAndMetrics_Bridge_ReachDashboard()
    {
        SkipWithoutOrchestrator();

        await RunningApplication.UntilAsync(
            async () =>
            {
                using var answer = await application.Dashboard.GetAsync("/api/telemetry/logs?resource=bridge&limit=50", Token);
                return answer.IsSuccessStatusCode && (await answer.Content.ReadAsStringAsync(Token)).Contains("\"body\"", StringComparison.Ordinal);
            },
            "the bridge's logs are in the dashboard");
        await RunningApplication.UntilAsync(
            async () => (await application.Dashboard.GetStringAsync("/api/telemetry/resources", Token)) is var resources
                && JsonNode.Parse(resources)!.AsArray().Any(r => r!["name"]!.GetValue<string>() == "bridge" && r["hasMetrics"]?.GetValue<bool>() == true),
            "the bridge's metrics are in the dashboard");
    }

    /// <summary>Sends a scaling request as the bridge does.</summary>
    private async Task<HttpStatusCode> WishAsync(int instances)
    {
        var listener = application.Fleet.Listener!;
        using var client = new HttpClient();
        client.DefaultRequestHeaders.Authorization = new("Bearer", listener.Key);
        using var answer = await client.PostAsJsonAsync(await listener.GetValueAsync(Token), new { tier = "cold", instances }, Token);
        return answer.StatusCode;
    }

    private static void SkipWithoutOrchestrator() => Assert.SkipWhen(Orchestrator.Missing is not null, Orchestrator.Missing ?? "");

    private async Task<IReadOnlyList<JsonNode>> SpansAsync(ActivityTraceId id)
    {
        using var answer = await application.Dashboard.GetAsync($"/api/telemetry/traces/{id}", Token);
        if (!answer.IsSuccessStatusCode)
            return [];
        var body = await answer.Content.ReadFromJsonAsync<JsonNode>(Token);
        return [.. from resource in body!["data"]!["resourceSpans"]!.AsArray()
                   from scope in resource!["scopeSpans"]!.AsArray()
                   from span in scope!["spans"]!.AsArray()
                   select span!];
    }

    private static string Name(JsonNode span) => span["name"]!.GetValue<string>();

    private static int Kind(JsonNode span) => span["kind"]!.GetValue<int>();

    private static string Id(JsonNode span) => span["spanId"]!.GetValue<string>();

    private static string Parent(JsonNode span) => span["parentSpanId"]!.GetValue<string>();
}

using System.Net;
using System.Text.RegularExpressions;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Simulator;

namespace OllamaBridge.Gateway.FunctionalTests.Admin;

/// <summary>Reports and metrics for operators. Not parallel, because metrics of all gateways in one process are combined.</summary>
[Collection(nameof(Alone))]
public sealed class OperatorTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Instances_AfterRequest_HaveRequiredFields()
    {
        await using var fleet = await TestFleet.StartAsync(2);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        using var chat = await bridge.PostAsync("/api/chat", Ask.Chat(stream: false), Token);
        await bridge.UntilAsync(s => s.Instances.Any(i => i.Loaded.Length == 1), "the model is seen in memory");

        var instances = (await bridge.GetJsonAsync("/bridge/instances")).AsArray();

        Assert.Equal(2, instances.Count);
        var one = instances.Single(i => i!["name"]!.GetValue<string>() == chat.Headers.GetValues("X-Bridge-Instance").Single())!;
        Assert.StartsWith("http://127.0.0.1:", one["url"]!.GetValue<string>(), StringComparison.Ordinal);
        Assert.Equal("healthy", one["state"]!.GetValue<string>());
        Assert.Equal([TestFleet.Model], one["models"]!.AsArray().Select(m => m!.GetValue<string>()));
        Assert.Equal([TestFleet.Model], one["loaded"]!.AsArray().Select(m => m!.GetValue<string>()));
        Assert.Equal((4, 0, false), (one["slots"]!.GetValue<int>(), one["slotsUsed"]!.GetValue<int>(), one["draining"]!.GetValue<bool>()));
    }

    [Fact]
    public async Task Drain_UnknownInstance_404AsProblem()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);

        using var answer = await bridge.Client.PostAsync("/bridge/instances/nobody/drain", null, Token);

        Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
        Assert.Equal("application/problem+json", answer.Content.Headers.ContentType!.MediaType);
    }

    [Fact]
    public async Task HealthAndAlive_FollowTheFleet()
    {
        await using var fleet = await TestFleet.StartAsync(2);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);

        Assert.Equal("Healthy", (await bridge.GetJsonAsync("/health"))["status"]!.GetValue<string>());
        await fleet[0].KillAsync();
        await bridge.UntilAsync(s => s.Instances.Count(i => i.IsUsable) == 1, "one is out");
        Assert.Equal("Degraded", (await bridge.GetJsonAsync("/health"))["status"]!.GetValue<string>());
        await fleet[1].KillAsync();
        await bridge.UntilAsync(s => s.Instances.All(i => !i.IsUsable), "both are out");
        using var health = await bridge.Client.GetAsync("/health", Token);
        using var alive = await bridge.Client.GetAsync("/alive", Token);

        Assert.Equal(HttpStatusCode.ServiceUnavailable, health.StatusCode);
        Assert.Equal(HttpStatusCode.OK, alive.StatusCode);
    }

    [Fact]
    public async Task Metrics_AfterSomeRequests_CountThem()
    {
        await using var fleet = await TestFleet.StartAsync(2);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        for (var i = 0; i < 3; i++)
            (await bridge.PostAsync("/api/chat", Ask.Chat(stream: true), Token)).Dispose();
        (await bridge.PostAsync("/v1/chat/completions", Ask.OpenAI(), Token)).Dispose();
        (await bridge.PostAsync("/api/chat", Ask.Chat("made-up-1"), Token)).Dispose();
        (await bridge.PostAsync("/api/chat", Ask.Chat("made-up-2"), Token)).Dispose();

        var text = await bridge.Client.GetStringAsync("/metrics", Token);

        Assert.Equal(3, Value(text, "ollama_requests_total", "operation=\"chat\"", "protocol=\"ollama\"", "status=\"200\"", "outcome=\"succeeded\"", "model=\"deepseek-r1:7b\""));
        Assert.Equal(1, Value(text, "ollama_requests_total", "protocol=\"openai\""));
        Assert.Equal(2, Value(text, "ollama_requests_total", "status=\"404\"", "model=\"other\""));
        Assert.Equal(3, Value(text, "gen_ai_server_time_to_first_token_seconds_count"));
        Assert.Equal(24, Value(text, "ollama_tokens_total", "type=\"output\""));
        Assert.Equal(0, Value(text, "ollama_requests_in_flight"));
        Assert.Equal(0, Value(text, "ollama_queue_length"));
        Assert.Equal(2, Value(text, "ollama_instance_state", "state=\"healthy\""));
        Assert.Equal(6, Value(text, "ollama_latency_seconds_count"));
        Assert.DoesNotContain("made-up", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Metrics_QueueAndRetries_Exported()
    {
        await using var fleet = await TestFleet.StartAsync(2, SimulatorOptions.Instant with { ParallelSlots = 1, DecodePerToken = TimeSpan.FromMilliseconds(5) });
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        foreach (var server in fleet.Servers)
            server.Faults.Add(new Fault { Kind = FaultKind.Status, Status = 500, Times = 1 });
        await Task.WhenAll(Enumerable.Range(0, 6).Select(i => bridge.PostAsync("/api/chat", Ask.Chat(stream: false, text: $"{i}"), Token)));

        var text = await bridge.Client.GetStringAsync("/metrics", Token);

        Assert.True(Value(text, "ollama_retries_total") >= 1);
        Assert.True(Value(text, "ollama_queue_wait_seconds_count") >= 1);
        Assert.True(Value(text, "ollama_model_loads_total") >= 1);
    }

    /// <summary>The sum of all series of a metric that have the labels.</summary>
    private static double Value(string text, string name, params string[] labels) => text.Split('\n')
        .Where(l => Regex.IsMatch(l, $"^{name}[ {{]") && labels.All(label => l.Contains(label, StringComparison.Ordinal)))
        .Sum(l => double.Parse(l[(l.LastIndexOf(' ') + 1)..], System.Globalization.CultureInfo.InvariantCulture));
}

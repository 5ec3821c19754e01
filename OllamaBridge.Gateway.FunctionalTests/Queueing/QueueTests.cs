using System.Net;
using System.Text.Json.Nodes;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Gateway.Queueing;
using OllamaBridge.Simulator;
using OllamaBridge.Testing;

namespace OllamaBridge.Gateway.FunctionalTests.Queueing;

/// <summary>Requests beyond the number of slots wait in a bounded queue.</summary>
public sealed class QueueTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Chat_MoreRequestsThanSlots_SlotsRespectedAndAllSucceed()
    {
        await using var fleet = await TestFleet.StartAsync(
            3, SimulatorOptions.Instant with { ParallelSlots = 2, DecodePerToken = TimeSpan.FromMilliseconds(2) });
        await using var bridge = await TestBridge.StartAsync(fleet.Servers, ("Bridge:Scheduling:SpillAfter", "00:00:00"));

        var answers = await Task.WhenAll(Enumerable.Range(0, 90).Select(i => bridge.PostAsync("/api/chat", Ask.Chat(stream: i % 2 == 0, text: $"{i}"), Token)));

        Assert.All(answers, a => Assert.Equal(HttpStatusCode.OK, a.StatusCode));
        Assert.All(fleet.Servers, s => Assert.InRange(s.Statistics.MaxConcurrentRequests, 1, 2));
        Assert.Equal(90, fleet.Sum(s => s.Requests));
    }

    [Theory]
    [InlineData("/api/chat")]
    [InlineData("/v1/chat/completions")]
    [InlineData("/v1/messages")]
    public async Task Post_QueueFull_503WithRetryAfterInClientsProtocol(string path)
    {
        await using var fleet = await TestFleet.StartAsync(1, SimulatorOptions.Instant with { ParallelSlots = 1 });
        await using var bridge = await TestBridge.StartAsync(fleet.Servers, ("Bridge:Queue:Length", "1"));
        fleet[0].Faults.Add(new Fault { Kind = FaultKind.Frozen });
        var running = bridge.PostAsync("/api/chat", Ask.Chat(), Token);
        await Eventually.BecomesAsync(() => fleet[0].Statistics.ConcurrentRequests == 1, TimeSpan.FromSeconds(5));
        var waiting = bridge.PostAsync("/api/chat", Ask.Chat(), Token);
        await QueueLengthAsync(bridge, 1);

        using var answer = await bridge.PostAsync(path, path == "/api/chat" ? Ask.Chat() : path == "/v1/messages" ? Ask.Anthropic() : Ask.OpenAI(), Token);

        Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
        Assert.NotNull(answer.Headers.RetryAfter);
        var error = JsonNode.Parse(await answer.Content.ReadAsStringAsync(Token))!["error"]!;
        Assert.Contains("queue is full", path == "/api/chat" ? error.GetValue<string>() : error["message"]!.GetValue<string>(), StringComparison.Ordinal);
        fleet[0].Faults.Clear();
        Assert.Equal(HttpStatusCode.OK, (await running).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await waiting).StatusCode);
    }

    [Fact]
    public async Task Chat_NoSlotInTime_503()
    {
        await using var fleet = await TestFleet.StartAsync(1, SimulatorOptions.Instant with { ParallelSlots = 1 });
        await using var bridge = await TestBridge.StartAsync(fleet.Servers, ("Bridge:Queue:MaxWait", "00:00:00.3"));
        fleet[0].Faults.Add(new Fault { Kind = FaultKind.Frozen });
        var running = bridge.PostAsync("/api/chat", Ask.Chat(), Token);
        await Eventually.BecomesAsync(() => fleet[0].Statistics.ConcurrentRequests == 1, TimeSpan.FromSeconds(5));

        using var answer = await bridge.PostAsync("/api/chat", Ask.Chat(), Token);

        Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
        Assert.Equal(1, fleet[0].Statistics.Requests);
        fleet[0].Faults.Clear();
        Assert.Equal(HttpStatusCode.OK, (await running).StatusCode);
    }

    [Fact]
    public async Task Chat_WaitingClientDisconnects_LeavesQueueWithoutAttempt()
    {
        await using var fleet = await TestFleet.StartAsync(1, SimulatorOptions.Instant with { ParallelSlots = 1 });
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        fleet[0].Faults.Add(new Fault { Kind = FaultKind.Frozen });
        var running = bridge.PostAsync("/api/chat", Ask.Chat(), Token);
        await Eventually.BecomesAsync(() => fleet[0].Statistics.ConcurrentRequests == 1, TimeSpan.FromSeconds(5));
        using var hangUp = new CancellationTokenSource();
        var waiting = bridge.PostAsync("/api/chat", Ask.Chat(), hangUp.Token);
        await QueueLengthAsync(bridge, 1);

        await hangUp.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        await QueueLengthAsync(bridge, 0);
        fleet[0].Faults.Clear();
        Assert.Equal(HttpStatusCode.OK, (await running).StatusCode);
        Assert.Equal(1, fleet[0].Statistics.Requests);
    }

    [Fact]
    public async Task Queue_WaitingRequest_ReportedToOperators()
    {
        await using var fleet = await TestFleet.StartAsync(1, SimulatorOptions.Instant with { ParallelSlots = 1 });
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        fleet[0].Faults.Add(new Fault { Kind = FaultKind.Frozen });
        var all = new[] { bridge.PostAsync("/api/chat", Ask.Chat(), Token), bridge.PostAsync("/api/chat", Ask.Chat(), Token) };
        await QueueLengthAsync(bridge, 1);

        var report = await bridge.GetJsonAsync("/bridge/queue");

        Assert.Equal(1024, report["limit"]!.GetValue<int>());
        Assert.Equal(TestFleet.Model, report["models"]![0]!["model"]!.GetValue<string>());
        Assert.Equal(1, report["models"]![0]!["waiting"]!.GetValue<int>());
        fleet[0].Faults.Clear();
        await Task.WhenAll(all);
    }

    private static Task QueueLengthAsync(TestBridge bridge, int length)
    {
        var queue = bridge.Services.GetService(typeof(RequestQueue)) as RequestQueue;
        return Eventually.BecomesAsync(() => queue!.Count == length, TimeSpan.FromSeconds(5));
    }
}

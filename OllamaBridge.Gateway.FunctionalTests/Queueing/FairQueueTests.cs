using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Gateway.Queueing;
using OllamaBridge.Gateway.Tenants;
using OllamaBridge.Simulator;
using OllamaBridge.Testing;

namespace OllamaBridge.Gateway.FunctionalTests.Queueing;

public class FairQueueTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public static TheoryData<string> Routes => ["/api/chat", "/v1/chat/completions", "/v1/messages"];

    [Theory]
    [MemberData(nameof(Routes))]
    public async Task Post_UnknownPriority_400InClientsProtocol(string path)
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        using var answer = await SendAsync(bridge, path, (RequestPriority.PriorityHeader, "urgent"));
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Contains(RequestPriority.PriorityHeader, await MessageAsync(answer, path), StringComparison.Ordinal);
        using var second = await SendAsync(bridge, path, (RequestPriority.DeadlineHeader, "soon"));
        Assert.Equal(HttpStatusCode.BadRequest, second.StatusCode);
        Assert.Contains(RequestPriority.DeadlineHeader, await MessageAsync(second, path), StringComparison.Ordinal);
        Assert.Equal(0, fleet[0].Statistics.Requests);
    }

    [Theory]
    [MemberData(nameof(Routes))]
    public async Task Post_QueueFull_ErrorHasPositionAndEstimatedWait(string path)
    {
        await using var busy = await BusyAsync(("Bridge:Queue:Length", "1"));
        var waiting = busy.Bridge.PostAsync("/api/chat", Ask.Chat(), Token);
        await busy.QueuedAsync(1);

        using var answer = await SendAsync(busy.Bridge, path);

        Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
        Assert.NotNull(answer.Headers.RetryAfter);
        Assert.Equal("2", Assert.Single(answer.Headers.GetValues(RequestPriority.PositionHeader)));
        var seconds = double.Parse(Assert.Single(answer.Headers.GetValues(RequestPriority.EstimatedWaitHeader)), CultureInfo.InvariantCulture);
        Assert.InRange(seconds, 0, 60);
        await busy.EndAsync(waiting);
    }

    [Theory]
    [MemberData(nameof(Routes))]
    public async Task Post_DeadlinePassesInQueue_504InClientsProtocol(string path)
    {
        await using var busy = await BusyAsync();

        using var answer = await SendAsync(busy.Bridge, path, (RequestPriority.DeadlineHeader, "0.2"));

        Assert.Equal(HttpStatusCode.GatewayTimeout, answer.StatusCode);
        Assert.NotNull(answer.Headers.RetryAfter);
        Assert.Contains("deadline", await MessageAsync(answer, path), StringComparison.Ordinal);
        Assert.Equal("1", Assert.Single(answer.Headers.GetValues(RequestPriority.PositionHeader)));
        await busy.EndAsync();
        // The frozen request's slot is free, and the queue is empty.
        Assert.Equal(2, busy.Fleet[0].Statistics.Requests);
    }

    [Fact]
    public async Task Post_EstimatedWaitBeyondDeadline_504Immediately()
    {
        await using var busy = await BusyAsync();
        // The queue assumes that a response takes minutes.
        busy.Queue.RecordService(TimeSpan.FromSeconds(1000), new QueueKey(busy.Bridge.Fleet.Current.Models.Keys.Single()));

        using var answer = await SendAsync(busy.Bridge, "/api/chat", (RequestPriority.DeadlineHeader, "20"));

        Assert.Equal(HttpStatusCode.GatewayTimeout, answer.StatusCode);
        Assert.Contains("longer than", await MessageAsync(answer, "/api/chat"), StringComparison.Ordinal);
        Assert.True(double.Parse(Assert.Single(answer.Headers.GetValues(RequestPriority.EstimatedWaitHeader)), CultureInfo.InvariantCulture) > 20);
        await busy.EndAsync();
    }

    [Theory]
    [MemberData(nameof(Routes))]
    public async Task Post_BatchRequestShed_503InClientsProtocolAndInteractiveServed(string path)
    {
        await using var busy = await BusyAsync(("Bridge:Queue:Length", "1"));
        var batch = SendAsync(busy.Bridge, path, (RequestPriority.PriorityHeader, "batch"));
        await busy.QueuedAsync(1);
        var report = await busy.Bridge.GetJsonAsync("/bridge/queue");
        var tenant = report["models"]![0]!["tenants"]![0]!;
        Assert.Equal(("anonymous", 0, 1), (tenant["tenant"]!.GetValue<string>(), tenant["interactive"]!.GetValue<int>(), tenant["batch"]!.GetValue<int>()));
        Assert.NotNull(report["models"]![0]!["estimatedWaitSeconds"]);

        var interactive = SendAsync(busy.Bridge, path, (RequestPriority.PriorityHeader, "interactive"));

        using var pushedOut = await batch;
        Assert.Equal(HttpStatusCode.ServiceUnavailable, pushedOut.StatusCode);
        Assert.NotNull(pushedOut.Headers.RetryAfter);
        Assert.Contains("went to another", await MessageAsync(pushedOut, path), StringComparison.Ordinal);
        await busy.EndAsync(interactive);
    }

    [Fact]
    public async Task Chat_Success_NoQueueHeaderAndTokensSettled()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        using var answer = await SendAsync(bridge, "/api/chat", (RequestPriority.PriorityHeader, "batch"), (RequestPriority.DeadlineHeader, "30"));
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.False(answer.Headers.Contains(RequestPriority.PositionHeader));
        var last = JsonNode.Parse((await answer.Content.ReadAsStringAsync(Token)).TrimEnd().Split('\n')[^1])!;
        var expected = last["prompt_eval_count"]!.GetValue<long>() + (2 * last["eval_count"]!.GetValue<long>());
        var queues = (ModelQueues)bridge.Services.GetService(typeof(ModelQueues))!;
        Assert.Equal(expected, queues.Find(new QueueKey(bridge.Fleet.Current.Models.Keys.Single()))![Priority.Batch].Counters.ValueOf("anonymous"));
    }

    private static Task<HttpResponseMessage> SendAsync(TestBridge bridge, string path, params (string Name, string Value)[] headers)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, path)
        {
            Content = JsonContent.Create(path == "/api/chat" ? Ask.Chat() : path == "/v1/messages" ? Ask.Anthropic() : Ask.OpenAI()),
        };
        foreach (var (name, value) in headers)
            request.Headers.TryAddWithoutValidation(name, value);
        return bridge.Client.SendAsync(request, Token);
    }

    private static async Task<string> MessageAsync(HttpResponseMessage answer, string path)
    {
        var error = JsonNode.Parse(await answer.Content.ReadAsStringAsync(Token))!["error"]!;
        return path == "/api/chat" ? error.GetValue<string>() : error["message"]!.GetValue<string>();
    }

    /// <summary>A bridge in front of one slot, which has served one request and is now held by a frozen one.</summary>
    private static async Task<Busy> BusyAsync(params (string Key, string Value)[] settings)
    {
        var fleet = await TestFleet.StartAsync(1, SimulatorOptions.Instant with { ParallelSlots = 1 });
        var bridge = await TestBridge.StartAsync(fleet.Servers, settings);
        using (var warm = await bridge.PostAsync("/api/chat", Ask.Chat(), Token))
            Assert.Equal(HttpStatusCode.OK, warm.StatusCode);
        fleet[0].Faults.Add(new Fault { Kind = FaultKind.Frozen });
        var running = bridge.PostAsync("/api/chat", Ask.Chat(), Token);
        await Eventually.BecomesAsync(() => fleet[0].Statistics.ConcurrentRequests == 1, TimeSpan.FromSeconds(5));
        return new Busy(fleet, bridge, running);
    }

    private sealed record Busy(TestFleet Fleet, TestBridge Bridge, Task<HttpResponseMessage> Running) : IAsyncDisposable
    {
        public RequestQueue Queue => (RequestQueue)Bridge.Services.GetService(typeof(RequestQueue))!;

        public Task QueuedAsync(int length) => Eventually.BecomesAsync(() => Queue.Count == length, TimeSpan.FromSeconds(5));

        public async Task EndAsync(params Task<HttpResponseMessage>[] others)
        {
            Fleet[0].Faults.Clear();
            foreach (var request in others.Prepend(Running))
            {
                using var answer = await request;
                Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            }
        }

        public async ValueTask DisposeAsync()
        {
            await Bridge.DisposeAsync();
            await Fleet.DisposeAsync();
        }
    }
}

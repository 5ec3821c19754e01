using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Http.Json;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Simulator;

namespace OllamaBridge.Gateway.FunctionalTests.Telemetry;

/// <summary>One trace contains the client's request, the queue, the decision, each attempt and the end of the response.</summary>
public sealed class TracingTests
{
    private const string Canary = "canary-7f3a";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("/api/chat", "chat deepseek-r1:7b")]
    [InlineData("/v1/chat/completions", "chat deepseek-r1:7b")]
    [InlineData("/v1/messages", "chat deepseek-r1:7b")]
    public async Task Chat_Streamed_OneTraceWithGenAiAttributes(string path, string name)
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        using var trace = new TraceRecorder();

        using var answer = await trace.PostAsync(bridge, path, new
        {
            model = "deepseek-r1:7b",
            max_tokens = 6,
            messages = new[] { new { role = "user", content = Canary } },
            stream = true,
            stream_options = new { include_usage = true },
        });
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        await answer.Content.ReadAsStringAsync(Token);

        var server = await trace.ServerSpanAsync();
        Assert.Equal(trace.Client, server.ParentSpanId);
        Assert.Equal($"POST {path}", server.DisplayName);
        var queue = trace.One("queue");
        Assert.Equal(server.SpanId, queue.ParentSpanId);
        var decide = trace.One("decide");
        Assert.Equal(queue.SpanId, decide.ParentSpanId);
        Assert.Equal("sim-1", decide.GetTagItem("bridge.instance"));
        Assert.Equal(1, decide.GetTagItem("bridge.candidates"));
        var sent = trace.One(name);
        Assert.Equal(server.SpanId, sent.ParentSpanId);
        Assert.Equal(ActivityKind.Client, sent.Kind);
        Assert.Equal(ActivityStatusCode.Ok, sent.Status);
        Assert.Single(sent.Events, e => e.Name == "first_token");
        Assert.Equal(bridge.Fleet.Current.Instances[0].Instance.Url.Port, sent.GetTagItem("server.port"));
        Assert.Equal(200, sent.GetTagItem("http.response.status_code"));
        // The instance's parent span is the attempt, not the client's span.
        Assert.Equal(sent.Id, fleet[0].Statistics.Seen.Single(r => r.Path == path).Headers["traceparent"]);
        foreach (var span in new[] { server, sent })
        {
            Assert.Equal("chat", span.GetTagItem("gen_ai.operation.name"));
            Assert.Equal("ollama", span.GetTagItem("gen_ai.provider.name"));
            Assert.Equal("deepseek-r1:7b", span.GetTagItem("gen_ai.request.model"));
            Assert.True((long)span.GetTagItem("gen_ai.usage.input_tokens")! > 0);
        }

        Assert.DoesNotContain(trace.Spans, s => s.TagObjects.Any(t => t.Value?.ToString()?.Contains(Canary, StringComparison.Ordinal) == true));
    }

    [Fact]
    public async Task Chat_SeveralInstances_DecisionHasAllScores()
    {
        await using var fleet = await TestFleet.StartAsync(3);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        using var trace = new TraceRecorder();

        using var answer = await trace.PostAsync(bridge, "/api/chat", Ask.Chat(stream: false));
        await trace.ServerSpanAsync();

        var decide = trace.One("decide");
        var scores = (string[])Assert.Single(decide.Events, e => e.Name == "scores").Tags.Single(t => t.Key == "bridge.scores").Value!;
        Assert.Equal(["sim-1", "sim-2", "sim-3"], scores.Select(s => s.Split('=')[0]).Order());
        Assert.Equal(scores.Select(Score).OrderDescending(), scores.Select(Score));
        Assert.Equal(Score(scores[0]), Score(scores.Single(s => s.StartsWith($"{decide.GetTagItem("bridge.instance")}=", StringComparison.Ordinal))));

        static double Score(string text) => double.Parse(text.Split('=')[1], System.Globalization.CultureInfo.InvariantCulture);
    }

    [Fact]
    public async Task Chat_FirstInstanceFails_TwoAttemptsInOneTrace()
    {
        await using var fleet = await TestFleet.StartAsync(2);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        foreach (var server in fleet.Servers)
            server.Faults.Add(new Fault { Kind = FaultKind.Status, Status = 500, Path = "/api/chat", Times = 1 });
        using var trace = new TraceRecorder();

        using var answer = await trace.PostAsync(bridge, "/api/chat", Ask.Chat(stream: false));

        await trace.ServerSpanAsync();
        var attempts = trace.Spans.Where(s => s.Kind == ActivityKind.Client && s.Source.Name == "OllamaBridge.Gateway").ToList();
        Assert.Equal([1, 2], attempts.Select(a => (int)a.GetTagItem("bridge.attempt")!).Order());
        Assert.NotEqual(attempts[0].GetTagItem("bridge.instance"), attempts[1].GetTagItem("bridge.instance"));
        Assert.All(attempts, a => Assert.Equal(ActivityStatusCode.Error, a.Status));
        Assert.All(attempts, a => Assert.Equal("servererror", a.GetTagItem("error.type")));
    }

    [Fact]
    public async Task Chat_Hedged_SpanOfEachAttempt()
    {
        await using var fleet = await TestFleet.StartAsync(2);
        await using var bridge = await TestBridge.StartAsync(
            fleet.Servers, ("Bridge:Hedging:Enabled", "true"), ("Bridge:Hedging:MaxShare", "1"), ("Bridge:Hedging:MinSamples", "1"));
        foreach (var server in fleet.Servers)
            (await bridge.Client.PostAsJsonAsync(new Uri(server.Url, "/api/chat"), Ask.Chat(stream: false), Token)).Dispose();
        await bridge.UntilAsync(s => s.Instances.All(i => i.Loaded.Length == 1), "the model is seen in every memory");
        using var before = await bridge.PostAsync("/api/chat", Ask.Chat(), Token);
        var first = before.Headers.GetValues("X-Bridge-Instance").Single();
        fleet[first == "sim-1" ? 0 : 1].Faults.Add(new Fault { Kind = FaultKind.SlowFirstToken, Delay = TimeSpan.FromMinutes(5), Times = 1 });
        using var trace = new TraceRecorder();

        using var answer = await trace.PostAsync(bridge, "/api/chat", Ask.Chat());
        await answer.Content.ReadAsStringAsync(Token);

        await trace.ServerSpanAsync();
        var attempts = trace.Spans.Where(s => s.Kind == ActivityKind.Client && s.Source.Name == "OllamaBridge.Gateway").OrderBy(a => (int)a.GetTagItem("bridge.attempt")!).ToList();
        Assert.Equal([1, 2], attempts.Select(a => (int)a.GetTagItem("bridge.attempt")!));
        Assert.Equal((first, true), (attempts[0].GetTagItem("bridge.instance"), attempts[0].GetTagItem("bridge.overtaken")));
        Assert.Equal((ActivityStatusCode.Unset, null), (attempts[0].Status, attempts[0].GetTagItem("gen_ai.usage.output_tokens")));
        Assert.Equal((ActivityStatusCode.Ok, null), (attempts[1].Status, attempts[1].GetTagItem("bridge.overtaken")));
        Assert.All(attempts, a => Assert.Equal(trace.One("POST /api/chat").SpanId, a.ParentSpanId));
    }

    [Fact]
    public async Task Chat_NoUsablePlacement_QueueSpanHasReason()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers, ("Bridge:Queue:MaxWaitWithoutInstance", "00:00:00.1"));
        await bridge.Fleet.SetDrainingAsync("sim-1", true, Token);
        using var trace = new TraceRecorder();

        using var answer = await trace.PostAsync(bridge, "/api/chat", Ask.Chat());

        Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
        await trace.ServerSpanAsync();
        var queue = trace.One("queue");
        Assert.Equal("nonehealthy", queue.GetTagItem("bridge.refusal"));
        Assert.True(queue.Duration >= TimeSpan.FromMilliseconds(100));
        Assert.DoesNotContain(trace.Spans, s => s.DisplayName == "decide");
    }

    /// <summary>A client with its own trace, which collects the spans of that trace.</summary>
    [Fact]
    public async Task Chat_TierStarted_EventOnQueueSpan()
    {
        await using var bed = await Activation.ColdTierFixture.StartAsync();
        await using var bridge = await bed.OpenAsync();
        using var trace = new TraceRecorder();

        using var answer = await trace.PostAsync(bridge, "/api/chat", Ask.Chat(Activation.ColdTierFixture.Model, stream: false));
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        await answer.Content.ReadAsStringAsync(Token);

        await trace.ServerSpanAsync();
        var started = Assert.Single(trace.One("queue").Events, e => e.Name == "bridge.activation");
        Assert.Equal("cold", started.Tags.Single(t => t.Key == "bridge.tier").Value);
        // Requests to the platform's API are not part of the trace.
        Assert.DoesNotContain(trace.Spans, s => s.DisplayName.StartsWith("GET", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")]
    [InlineData(null)]
    public async Task Forward_NoTracing_ClientsContextPassedOn(string? sent)
    {
        await using var fleet = await TestFleet.StartAsync(1);
        // A separate process, because the listeners of other tests are active in this one.
        await using var bridge = await GatewayProcess.StartAsync(fleet.Servers, 1);
        using var client = new HttpClient { BaseAddress = bridge.Url };
        using var request = new HttpRequestMessage(HttpMethod.Post, "/api/chat") { Content = JsonContent.Create(Ask.Chat("deepseek-r1:7b", stream: false)) };
        if (sent is not null)
            request.Headers.Add("traceparent", sent);

        using var answer = await client.SendAsync(request, Token);

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal(sent, fleet[0].Statistics.Seen.Single(r => r.Path == "/api/chat").Headers.GetValueOrDefault("traceparent"));
    }

    private sealed class TraceRecorder : IDisposable
    {
        private readonly ActivityTraceId _id = ActivityTraceId.CreateRandom();
        private readonly ConcurrentQueue<Activity> _spans = new();
        private readonly TaskCompletionSource<Activity> _server = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly ActivityListener _listener;

        public TraceRecorder()
        {
            _listener = new ActivityListener
            {
                ShouldListenTo = source => source.Name is "OllamaBridge.Gateway" or "Microsoft.AspNetCore",
                Sample = (ref ActivityCreationOptions<ActivityContext> options) =>
                    options.TraceId == _id ? ActivitySamplingResult.AllDataAndRecorded : ActivitySamplingResult.None,
                ActivityStopped = Keep,
            };
            ActivitySource.AddActivityListener(_listener);
        }

        public ActivitySpanId Client { get; } = ActivitySpanId.CreateRandom();

        public IReadOnlyCollection<Activity> Spans => _spans;

        public Task<HttpResponseMessage> PostAsync(TestBridge bridge, string path, object body)
        {
            var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = JsonContent.Create(body) };
            request.Headers.Add("traceparent", $"00-{_id}-{Client}-01");
            return bridge.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Token);
        }

        /// <summary>The span of the whole request, after it has ended; all other spans end earlier.</summary>
        public Task<Activity> ServerSpanAsync() => _server.Task.WaitAsync(TimeSpan.FromSeconds(20), Token);

        public Activity One(string name) => Assert.Single(_spans, s => s.DisplayName == name);

        public void Dispose() => _listener.Dispose();

        private void Keep(Activity span)
        {
            if (span.TraceId != _id)
                return;
            _spans.Enqueue(span);
            if (span.Kind == ActivityKind.Server)
                _server.TrySetResult(span);
        }
    }
}

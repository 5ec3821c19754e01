using System.Net;
using System.Net.Http.Json;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Simulator;
using OllamaBridge.Testing;
using OllamaBridge.Testing.Streams;

namespace OllamaBridge.Gateway.FunctionalTests.Lifecycle;

/// <summary>A gateway process completes its requests after a SIGTERM.</summary>
[Collection(nameof(Alone))]
public sealed class StopTests
{
    private static readonly TimeSpan Patience = TestTimeouts.Guard;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Sigterm_RunningAndQueuedRequests_CompleteAndNewOnesGet503()
    {
        await using var fleet = await StartFleetAsync(tokens: 250);
        await using var gateway = await GatewayProcess.StartAsync(fleet.Servers, slots: 1);
        using var client = NewClient(gateway);
        var stream = await OpenAsync(client, "/api/chat", Ask.Chat(stream: true, tokens: 250));
        var waiting = client.PostAsJsonAsync("/api/chat", Ask.Chat(stream: false, tokens: 20, text: "and"), Token);
        await Eventually.BecomesAsync(async () => (await client.GetStringAsync("/bridge/queue", Token)).Contains("\"length\":1", StringComparison.Ordinal), Patience);

        gateway.Terminate();

        // Waits until the gateway has received the signal.
        await Eventually.BecomesAsync(async () =>
        {
            using var health = await client.GetAsync("/health", Token);
            return health.StatusCode == HttpStatusCode.ServiceUnavailable;
        }, Patience);
        using var refused = await client.PostAsJsonAsync("/v1/messages", Ask.Anthropic(), Token);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
        Assert.Equal(TimeSpan.FromSeconds(5), refused.Headers.RetryAfter!.Delta);
        Assert.True(refused.Headers.ConnectionClose);
        Assert.Contains("\"overloaded_error\"", await refused.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
        using (var alive = await client.GetAsync("/alive", Token))
            Assert.Equal(HttpStatusCode.OK, alive.StatusCode);

        var text = await stream.Content.ReadAsStringAsync(Token);
        Assert.Equal((1, null), (StreamedAnswer.Parse("/api/chat", text).Ends, StreamedAnswer.Parse("/api/chat", text).Error));
        using var answer = await waiting;
        Assert.Contains("\"done\":true", await answer.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
        Assert.Equal(0, await gateway.EndAsync());
    }

    [Fact]
    public async Task Sigterm_GracePeriodExpires_StreamsEndWithErrorInClientsProtocol()
    {
        await using var fleet = await StartFleetAsync(tokens: 1_000_000);
        await using var gateway = await GatewayProcess.StartAsync(fleet.Servers, slots: 4, ("Bridge:Shutdown:GracePeriod", "00:00:01"));
        using var client = NewClient(gateway);
        string[] paths = ["/api/chat", "/v1/chat/completions", "/v1/responses"];
        HttpResponseMessage[] streams =
        [
            await OpenAsync(client, paths[0], Ask.Chat(stream: true, tokens: 1_000_000)),
            await OpenAsync(client, paths[1], Ask.OpenAI(stream: true, tokens: 1_000_000)),
            // Passed on without parsing.
            await OpenAsync(client, paths[2], new { model = TestFleet.Model, input = "Why?", stream = true, max_output_tokens = 1_000_000 }),
        ];
        var unstreamed = client.PostAsJsonAsync("/api/chat", Ask.Chat(stream: false, tokens: 1_000_000), Token);
        await Eventually.BecomesAsync(() => fleet[0].Statistics.ConcurrentRequests == 4, Patience);
        var waiting = client.PostAsJsonAsync("/v1/chat/completions", Ask.OpenAI(), Token);
        await Eventually.BecomesAsync(async () => (await client.GetStringAsync("/bridge/queue", Token)).Contains("\"length\":1", StringComparison.Ordinal), Patience);

        gateway.Terminate();

        var texts = await Task.WhenAll(streams.Select(s => s.Content.ReadAsStringAsync(Token)));
        for (var i = 0; i < 2; i++)
        {
            var parsed = StreamedAnswer.Parse(paths[i], texts[i]);
            Assert.Equal(0, parsed.Ends);
            Assert.Contains("the bridge stopped during the response", parsed.Error, StringComparison.Ordinal);
        }

        Assert.Contains("event: error\ndata: {\"type\":\"error\"", texts[2], StringComparison.Ordinal);
        Assert.Contains("the bridge stopped during the response", texts[2], StringComparison.Ordinal);
        foreach (var pending in new[] { unstreamed, waiting })
        {
            using var answer = await pending;
            Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
            Assert.Equal(TimeSpan.FromSeconds(5), answer.Headers.RetryAfter!.Delta);
            Assert.Contains("the bridge is being stopped", await answer.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
        }

        Assert.Equal(0, await gateway.EndAsync());
        await Eventually.BecomesAsync(() => fleet[0].Statistics.ConcurrentRequests == 0, Patience);
    }

    [Fact]
    public async Task Start_InconsistentTimes_Reported()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        var e = await Assert.ThrowsAnyAsync<Exception>(() => TestBridge.StartAsync(
            fleet.Servers, ("Bridge:Shutdown:Delay", "00:05:00"), ("Bridge:Continuation:DrainLead", "-00:00:01")));
        Assert.Contains("Bridge:Shutdown:Delay", e.ToString(), StringComparison.Ordinal);
        Assert.Contains("Bridge:Continuation:DrainLead", e.ToString(), StringComparison.Ordinal);
    }

    private static HttpClient NewClient(GatewayProcess gateway) =>
        new(new SocketsHttpHandler { UseProxy = false }) { BaseAddress = gateway.Url, Timeout = Patience };

    private static Task<HttpResponseMessage> OpenAsync(HttpClient client, string path, object body) => client.SendAsync(
        new HttpRequestMessage(HttpMethod.Post, path) { Content = JsonContent.Create(body) }, HttpCompletionOption.ResponseHeadersRead, Token);

    private static async Task<TestFleet> StartFleetAsync(int tokens)
    {
        var fleet = await TestFleet.StartAsync(
            1, SimulatorOptions.Instant with { ParallelSlots = 4, DecodePerToken = TimeSpan.FromMilliseconds(20) }, TestFleet.Model);
        fleet.Store.Remove(TestFleet.Model);
        fleet.Store.Add(new SimulatedModel { Name = TestFleet.Model, AnswerTokens = tokens });
        return fleet;
    }
}

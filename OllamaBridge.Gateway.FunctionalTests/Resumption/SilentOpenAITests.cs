using System.Net;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Testing;

namespace OllamaBridge.Gateway.FunctionalTests.Resumption;

/// <summary>OpenAI servers that are silent while all their slots are taken, with default settings and a clock five times as fast as the real one.</summary>
public sealed class SilentOpenAITests
{
    private readonly ScaledTime _time = new(5);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("/v1/chat/completions", true, false)]
    [InlineData("/v1/chat/completions", false, false)]
    [InlineData("/v1/chat/completions", false, true)]
    [InlineData("/v1/completions", true, false)]
    [InlineData("/v1/completions", false, false)]
    [InlineData("/v1/embeddings", false, false)]
    public async Task Send_EngineFrozenBehindResponsiveServer_FailsOver(string path, bool stream, bool hasMetrics)
    {
        await using var first = await OpenAIEngine.StartAsync("one", _time, hasMetrics);
        await using var second = await OpenAIEngine.StartAsync("two", _time, hasMetrics);
        await using var bridge = await StartAsync(first, second);
        first.Freeze();

        // Until a request takes the only slot of the frozen instance: embeddings end so fast that the other one may serve all of a round.
        do
        {
            var answers = await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => AskAsync(bridge, path, stream, "Why?")));
            Assert.All(answers, a => Assert.Equal((HttpStatusCode.OK, "two"), (a.Status, a.Instance)));
        }
        while (first.Asked == 0);

        Assert.Equal(0, first.Answered);
        // On a busy machine the frozen engine's server may also seem unresponsive.
        Assert.Contains(bridge.Logs.Lines, l => l.Contains(" 1280 ", StringComparison.Ordinal)
            && (l.Contains("Unresponsive", StringComparison.Ordinal) || (!hasMetrics && l.Contains("Suspect", StringComparison.Ordinal))));
    }

    [Theory]
    [InlineData(true, true)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(false, false)]
    public async Task Send_LongPromptInOnlySlot_CompletesThere(bool hasMetrics, bool stream)
    {
        await using var first = await OpenAIEngine.StartAsync("one", _time, hasMetrics);
        await using var second = await OpenAIEngine.StartAsync("two", _time, hasMetrics);
        await using var bridge = await StartAsync(first, second);

        // With metrics of the engine the prompt's length has no effect; without them it explains the silence.
        var answer = await AskAsync(bridge, "/v1/chat/completions", stream, "long" + new string('x', hasMetrics ? 0 : 40_000));

        Assert.Equal(HttpStatusCode.OK, answer.Status);
        Assert.DoesNotContain(bridge.Logs.Lines, l => l.Contains(" 1200 ", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Send_EngineServesAnotherRequest_Waits()
    {
        await using var first = await OpenAIEngine.StartAsync("one", _time);
        await using var second = await OpenAIEngine.StartAsync("two", _time);
        await using var bridge = await StartAsync(slots: 2, first, second);
        await bridge.Fleet.SetDrainingAsync("two", true, Token);
        var speaking = AskAsync(bridge, "/v1/chat/completions", stream: true, "tokens");
        await Eventually.BecomesAsync(() => first.Asked == 1, TimeSpan.FromSeconds(30));
        var waiting = AskAsync(bridge, "/v1/chat/completions", stream: true, "Why?");
        await Eventually.BecomesAsync(() => first.Asked == 2, TimeSpan.FromSeconds(30));
        await bridge.Fleet.SetDrainingAsync("two", false, Token);

        Assert.All(await Task.WhenAll(speaking, waiting), a => Assert.Equal((HttpStatusCode.OK, "one"), (a.Status, a.Instance)));
        Assert.Equal(0, Failures(bridge));
    }

    [Fact]
    public async Task Send_SlowSingleSlotServers_MovedAtMostOnce()
    {
        await using var first = await OpenAIEngine.StartAsync("one", _time);
        await using var second = await OpenAIEngine.StartAsync("two", _time);
        await using var bridge = await StartAsync(first, second);

        var moved = await AskAsync(bridge, "/v1/chat/completions", stream: false, "long");
        var before = Failures(bridge);
        // The only running request, so that the other instance has a free slot.
        var later = await AskAsync(bridge, "/v1/chat/completions", stream: false, "long");

        Assert.Equal(HttpStatusCode.OK, moved.Status);
        Assert.Equal(1, before);
        Assert.Equal(HttpStatusCode.OK, later.Status);
        Assert.Equal(before, Failures(bridge));
    }

    private static int Failures(TestBridge bridge) => bridge.Logs.Lines.Count(l => l.Contains(" 1200 ", StringComparison.Ordinal));

    private Task<TestBridge> StartAsync(params OpenAIEngine[] engines) => StartAsync(slots: 1, engines);

    private async Task<TestBridge> StartAsync(int slots, params OpenAIEngine[] engines)
    {
        var bridge = await TestBridge.StartAsync(
            [],
            _time,
            [
                .. engines.SelectMany((e, i) => new[] { ($"Bridge:Instances:{i}:Url", e.Url.ToString()), ($"Bridge:Instances:{i}:Name", e.Name), ($"Bridge:Instances:{i}:Kind", "OpenAI") }),
                ("Bridge:Slots", $"{slots}"),
                // Probe time-outs in real time, because a fast clock leaves probes too little time on a busy machine.
                ("Bridge:Health:Interval", "00:00:01"), ("Bridge:Health:RecoveryInterval", "00:00:01"), ("Bridge:Health:Timeout", "00:01:00"),
            ]);
        await bridge.UntilAsync(s => s.Instances.All(i => i.IsUsable) && s.Models.ContainsKey("m:latest"), "all are healthy");
        return bridge;
    }

    private static async Task<(HttpStatusCode Status, string? Instance, string Text)> AskAsync(TestBridge bridge, string path, bool stream, string text)
    {
        object body = path switch
        {
            "/v1/embeddings" => new { model = "m", input = text },
            "/v1/completions" => new { model = "m", prompt = text, stream },
            _ => new { model = "m", messages = new[] { new { role = "user", content = text } }, stream },
        };
        using var answer = await bridge.PostAsync(path, body, Token);
        return (answer.StatusCode, answer.Headers.TryGetValues("X-Bridge-Instance", out var names) ? names.Single() : null, await answer.Content.ReadAsStringAsync(Token));
    }
}

using System.Net;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Simulator;
using OllamaBridge.Testing;

namespace OllamaBridge.Gateway.FunctionalTests.Queueing;

/// <summary>A bridge as another bridge's instance: requests that the inner bridge's full queue rejects wait in the outer bridge's queue.</summary>
public sealed class BridgeBehindBridgeTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Chat_InnerQueueFull_WaitsInTheOuterQueue(bool stream)
    {
        await using var fleet = await TestFleet.StartAsync(2, SimulatorOptions.Instant with { ParallelSlots = 1, DecodePerToken = TimeSpan.FromMilliseconds(5) });
        await using var inner = await TestBridge.StartAsync(fleet.Servers, ("Bridge:Queue:Length", "2"));
        await using var outer = await StartOuterAsync(inner);

        var answers = await Task.WhenAll(Enumerable.Range(0, 16).Select(i => outer.PostAsync("/api/chat", Ask.Chat(stream: stream, text: $"{i}"), Token)));

        Assert.All(answers, a => Assert.Equal(HttpStatusCode.OK, a.StatusCode));
        // Without rejected requests the test would prove nothing.
        Assert.Contains(inner.Logs.Lines, l => l.Contains("503", StringComparison.Ordinal));
        Assert.Equal(InstanceStatus.Healthy, outer.Fleet.Current.Instances[0].Status);
        foreach (var answer in answers)
            answer.Dispose();
    }

    [Fact]
    public async Task Chat_InnerStaysFull_503AfterOuterLimit()
    {
        await using var server = await SimulatedServer.StartAsync(
            SimulatorOptions.Instant with
            {
                DecodePerToken = TimeSpan.FromMilliseconds(20),
                Store = new ModelStore([TestFleet.Plain(TestFleet.Model) with { AnswerTokens = 3000 }]),
            },
            Token);
        await using var inner = await TestBridge.StartAsync([server], ("Bridge:Queue:Length", "1"));
        await using var outer = await StartOuterAsync(inner, ("Bridge:Queue:MaxWait", "00:00:03"));
        using var leaving = CancellationTokenSource.CreateLinkedTokenSource(Token);
        // One request runs for a minute, and one waits behind it.
        var blockers = Enumerable.Range(0, 2).Select(_ => inner.PostAsync("/api/chat", new { model = TestFleet.Model, messages = new[] { new { role = "user", content = "x" } }, options = new { num_predict = 3000 } }, leaving.Token)).ToArray();
        await Eventually.BecomesAsync(() => inner.Queue.Count == 1, TimeSpan.FromSeconds(20));
        var before = inner.Logs.Lines.Count;

        using var answer = await outer.PostAsync("/api/chat", Ask.Chat(), Token);

        Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
        Assert.Contains("server busy", await answer.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
        // The outer bridge honours Retry-After: at most one request per second.
        Assert.InRange(inner.Logs.Lines.Skip(before).Count(l => l.Contains("503", StringComparison.Ordinal)), 1, 8);
        Assert.Equal(InstanceStatus.Healthy, outer.Fleet.Current.Instances[0].Status);
        await leaving.CancelAsync();
        await Task.WhenAll(blockers.Select(b => b.ContinueWith(_ => { }, TaskScheduler.Default)));
    }

    private static Task<TestBridge> StartOuterAsync(TestBridge inner, params (string Key, string Value)[] settings) => TestBridge.StartAsync(
        [], [("Bridge:Instances:0:Url", inner.Url.ToString()), ("Bridge:Instances:0:Name", "inner"), ("Bridge:Instances:0:Slots", "16"), .. settings]);
}

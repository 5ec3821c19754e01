using System.Net;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Simulator;
using OllamaBridge.Testing;

namespace OllamaBridge.Gateway.FunctionalTests.Telemetry;

/// <summary>Each request has one log line with its outcome and without its content.</summary>
public sealed class RequestLogTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Requests_EveryOutcome_OneLineEach()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers, ("Bridge:Forwarding:MaxAttempts", "1"));
        using (var good = await bridge.PostAsync("/api/chat", Ask.Chat(stream: false), Token))
            Assert.Equal(HttpStatusCode.OK, good.StatusCode);
        using (var unknown = await bridge.PostAsync("/v1/chat/completions", Ask.OpenAI("made-up-canary"), Token))
            Assert.Equal(HttpStatusCode.NotFound, unknown.StatusCode);
        fleet[0].Faults.Add(new Fault { Kind = FaultKind.Status, Status = 500, Path = "/api/chat", Times = 1 });
        using (var bad = await bridge.PostAsync("/api/chat", Ask.Chat(stream: false), Token))
            Assert.Equal(HttpStatusCode.InternalServerError, bad.StatusCode);

        await Eventually.BecomesAsync(() => Task.FromResult(Lines(bridge).Count == 3), TimeSpan.FromSeconds(10));
        var lines = Lines(bridge);
        Assert.Contains($"chat {TestFleet.Model} succeeded 200", lines[0], StringComparison.Ordinal);
        Assert.Contains("instance sim-1, attempts 1", lines[0], StringComparison.Ordinal);
        Assert.Contains("other rejected 404", lines[1], StringComparison.Ordinal);
        Assert.Contains($"chat {TestFleet.Model} failed 500", lines[2], StringComparison.Ordinal);
        Assert.DoesNotContain(bridge.Logs.Lines, l => l.Contains("made-up-canary", StringComparison.Ordinal));
    }

    private static List<string> Lines(TestBridge bridge) => [.. bridge.Logs.Lines.Where(l => l.StartsWith("Information 1302 ", StringComparison.Ordinal))];
}

using System.Net;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Simulator;
using OllamaBridge.Testing;
using OllamaBridge.Testing.Streams;

namespace OllamaBridge.Gateway.FunctionalTests.Regions;

/// <summary>The loss of a whole region while it serves another. Not parallel, because it needs a separate process.</summary>
[Collection(nameof(Alone))]
public sealed class RegionLossTests
{
    private const int Streams = 40;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Load_PeerKilled_NoRequestFails()
    {
        var options = SimulatorOptions.Instant with { ParallelSlots = 2, DecodePerToken = TimeSpan.FromMilliseconds(20) };
        await using var here = await TestFleet.StartAsync(1, options);
        await using var there = await TestFleet.StartAsync(1, options with { ParallelSlots = 4 });
        await using var peer = await GatewayProcess.StartAsync(there.Servers, 4, ("Bridge:Regions:Self", "b"));
        await using var bridge = await TestBridge.StartAsync(
            here.Servers,
            ("Bridge:Regions:Self", "a"), ("Bridge:Regions:Peers:0:Name", "b"), ("Bridge:Regions:Peers:0:Url", peer.Url.ToString()),
            ("Bridge:Regions:SpillAfter", "00:00:00"), ("Bridge:Regions:PollInterval", "00:00:00.050"));
        await bridge.UntilAsync(s => RegionFixture.Peer(s, "b").Instance.FreeSlots(TestFleet.Model) == 4, "the peer has room");

        var answers = Enumerable.Range(0, Streams).Select(async i =>
        {
            using var answer = await bridge.PostAsync("/api/chat", Ask.Chat(stream: i % 4 != 0, tokens: 12, text: $"{i}"), Token);
            var text = await answer.Content.ReadAsStringAsync(Token);
            Assert.True(answer.StatusCode == HttpStatusCode.OK, text);
            return StreamedAnswer.Parse("/api/chat", text, answer.Content.Headers.ContentType!.MediaType!);
        }).ToArray();
        await Eventually.BecomesAsync(() => there[0].Statistics.ConcurrentRequests >= 3, TimeSpan.FromSeconds(30));
        await peer.KillAsync();

        Assert.All(await Task.WhenAll(answers), a => Assert.Equal((1, null), (a.Ends, a.Error)));
        Assert.True(there[0].Statistics.Requests > 0);
    }
}

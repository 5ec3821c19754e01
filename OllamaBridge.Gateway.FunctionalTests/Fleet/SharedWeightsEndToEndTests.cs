using System.Net;
using System.Net.Http.Json;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Simulator;

namespace OllamaBridge.Gateway.FunctionalTests.Fleet;

/// <summary>Names that were created from one base model have different digests but share one runner.</summary>
public sealed class SharedWeightsEndToEndTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Send_NameWithWeightsInMemory_NoSecondLoad()
    {
        await using var fleet = await TestFleet.StartAsync(3);
        foreach (var name in new[] { "cat", "dog" })
            using (await CreateAsync(fleet[1], name))
            {
                // The simulators share the model folder.
            }

        using (var load = await new HttpClient().PostAsJsonAsync(new Uri(fleet[1].Url, "/api/generate"), new { model = TestFleet.Model }, Token))
            Assert.Equal(HttpStatusCode.OK, load.StatusCode);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        await bridge.UntilAsync(
            s => s.Models.TryGetValue("cat:latest", out var cat) && s.Models.ContainsKey("dog:latest")
                && cat.Placements.All(p => p.State.Twins.Count == 2) && cat.Placements.Single(p => p.Instance.Name == "sim-2").State.IsWarm,
            "the shared weights are known");

        for (var i = 0; i < 9; i++)
        {
            using var answer = await bridge.PostAsync("/api/chat", Ask.Chat(i % 2 == 0 ? "cat" : "dog", stream: false, text: $"{i}"), Token);
            Assert.Equal("sim-2", answer.Headers.GetValues("X-Bridge-Instance").Single());
        }

        Assert.Equal(1, fleet.Sum(s => s.Loads));
        // The fleet queries each digest once.
        Assert.Equal(3, fleet.Servers.Sum(s => s.Statistics.Seen.Count(r => r.Path == "/api/show")));
    }

    [Fact]
    public async Task Unload_NameWithSharedWeights_RunnerEnds()
    {
        await using var fleet = await TestFleet.StartAsync(2);
        (await CreateAsync(fleet[0], "cat")).Dispose();
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        await bridge.UntilAsync(s => s.Models.TryGetValue("cat:latest", out var cat) && cat.Placements.All(p => p.State.Twins.Count == 1), "the shared weights are known");
        using var chat = await bridge.PostAsync("/api/chat", Ask.Chat(stream: false), Token);
        var holder = fleet[chat.Headers.GetValues("X-Bridge-Instance").Single() == "sim-1" ? 0 : 1];

        using var stop = await bridge.PostAsync("/api/generate", new { model = "cat", keep_alive = 0 }, Token);

        Assert.Equal(HttpStatusCode.OK, stop.StatusCode);
        var running = await new HttpClient().GetStringAsync(new Uri(holder.Url, "/api/ps"), Token);
        Assert.Equal("""{"models":[]}""", running);
    }

    private static async Task<HttpResponseMessage> CreateAsync(SimulatedServer server, string name)
    {
        using var client = new HttpClient();
        var answer = await client.PostAsJsonAsync(
            new Uri(server.Url, "/api/create"), new { model = name, from = TestFleet.Model, system = $"You are a {name}.", stream = false }, Token);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        return answer;
    }
}

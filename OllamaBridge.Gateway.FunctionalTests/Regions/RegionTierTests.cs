using System.Net;
using OllamaBridge.Gateway.FunctionalTests.Activation;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Simulator;

namespace OllamaBridge.Gateway.FunctionalTests.Regions;

/// <summary>A cold tier's model that another region also serves: the other region gets the request if it has a free slot; otherwise the local tier is started.</summary>
public sealed class RegionTierTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Chat_AwakeAtPeer_ServedByPeerWithoutActivation()
    {
        await using var there = await TestFleet.StartAsync(1, models: [ColdTierFixture.Model]);
        await using var b = await OpenThereAsync(there);
        await using var bed = await ColdTierFixture.StartAsync();
        await using var a = await OpenHereAsync(bed, b);

        using var answer = await AskAsync(a);

        Assert.Equal((HttpStatusCode.OK, "b/sim-1"), (answer.StatusCode, RegionFixture.By(answer)));
        Assert.DoesNotContain(bed.Api.Asked, q => q.StartsWith("PATCH", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Chat_NoFreeSlotAtPeer_LocalTierStarted()
    {
        await using var there = await TestFleet.StartAsync(1, SimulatorOptions.Instant with { ParallelSlots = 1 }, ColdTierFixture.Model);
        await using var b = await OpenThereAsync(there);
        await using var bed = await ColdTierFixture.StartAsync();
        await using var a = await OpenHereAsync(bed, b);
        there[0].Faults.Add(new Fault { Kind = FaultKind.Frozen });
        var busy = AskAsync(b);
        await a.UntilAsync(s => RegionFixture.Peer(s, "b").Instance.FreeSlots(ColdTierFixture.Model) == 0, "a has the state of b without free slots");

        using var answer = await AskAsync(a);

        Assert.Equal((HttpStatusCode.OK, "ollama-cold-0"), (answer.StatusCode, RegionFixture.By(answer)));
        Assert.Equal(["PATCH 1"], bed.Api.Asked.Where(q => q != "GET"));
        there[0].Faults.Clear();
        (await busy).Dispose();
    }

    [Fact]
    public async Task Chat_AsleepInBothRegions_OnlyLocalTierStarted()
    {
        await using var there = await ColdTierFixture.StartAsync();
        await using var b = await there.OpenAsync(("Bridge:Regions:Self", "b"));
        await using var bed = await ColdTierFixture.StartAsync();
        await using var a = await OpenHereAsync(bed, b, knowsModel: false);

        using var answer = await AskAsync(a);

        Assert.Equal((HttpStatusCode.OK, "ollama-cold-0"), (answer.StatusCode, RegionFixture.By(answer)));
        Assert.DoesNotContain(there.Api.Asked, q => q.StartsWith("PATCH", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Chat_FailsAtPeer_LocalTierStarted()
    {
        await using var there = await TestFleet.StartAsync(1, models: [ColdTierFixture.Model]);
        await using var b = await OpenThereAsync(there);
        await using var bed = await ColdTierFixture.StartAsync();
        await using var a = await OpenHereAsync(bed, b);
        there[0].Faults.Add(new Fault { Kind = FaultKind.Status, Status = 500, Path = "/api/chat" });

        using var answer = await AskAsync(a);

        Assert.Equal((HttpStatusCode.OK, "ollama-cold-0"), (answer.StatusCode, RegionFixture.By(answer)));
    }

    [Fact]
    public async Task Tags_RequestedByPeer_WithoutSleepingModels()
    {
        await using var bed = await ColdTierFixture.StartAsync();
        await using var bridge = await bed.OpenAsync(("Bridge:Regions:Self", "b"));
        foreach (var path in new[] { "/api/tags", "/v1/models" })
        {
            Assert.Contains(ColdTierFixture.Model, await bridge.Client.GetStringAsync(path, Token), StringComparison.Ordinal);
            using var request = new HttpRequestMessage(HttpMethod.Get, path);
            request.Headers.Add("X-Bridge-Regions", "a");
            using var answer = await bridge.Client.SendAsync(request, Token);
            Assert.DoesNotContain(ColdTierFixture.Model, await answer.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
        }
    }

    private static Task<HttpResponseMessage> AskAsync(TestBridge bridge) => bridge.PostAsync("/api/chat", Ask.Chat(ColdTierFixture.Model, stream: false), Token);

    private static Task<TestBridge> OpenThereAsync(TestFleet fleet) => TestBridge.StartAsync(fleet.Servers, ("Bridge:Regions:Self", "b"));

    private static async Task<TestBridge> OpenHereAsync(ColdTierFixture bed, TestBridge b, bool knowsModel = true)
    {
        var a = await bed.OpenAsync(RegionFixture.Knows("a", "b", b.Url));
        await a.UntilAsync(s => RegionFixture.Peer(s, "b") is { IsUsable: true, CatalogKnown: true }, "a has b's state");
        if (knowsModel)
            await a.UntilAsync(s => RegionFixture.Peer(s, "b").Instance.PeerCanServe(ColdTierFixture.Model), "a has b's list of models");
        return a;
    }
}

using System.Net.Http.Json;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Simulator;

namespace OllamaBridge.Gateway.FunctionalTests.Models;

/// <summary>/api/ps through the bridge is as current as on a server, although the bridge probes its instances only at intervals.</summary>
public sealed class RunningModelsTests
{
    private const string Second = "llama3.2:3b";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Ps_AfterLoadAndUnload_Current()
    {
        await using var fleet = await TestFleet.StartAsync(2, SimulatorOptions.Instant with { MaxLoadedModels = 2 }, TestFleet.Model, Second);
        await using var bridge = await StartAsync(fleet);
        Assert.Empty(await RunningAsync(bridge));

        foreach (var (body, expected) in new (object, string[])[]
                 {
                     (new { model = TestFleet.Model }, [TestFleet.Model]),
                     (new { model = Second, keep_alive = "10m" }, [TestFleet.Model, Second]),
                     (new { model = TestFleet.Model, keep_alive = 0 }, [Second]),
                     (new { model = Second, keep_alive = 0 }, []),
                 })
        {
            using var answer = await bridge.PostAsync("/api/generate", body, Token);
            Assert.Equal(200, (int)answer.StatusCode);
            Assert.Equal(expected.Order(), (await RunningAsync(bridge)).Order());
        }
    }

    [Fact]
    public async Task Ps_LoadedDirectly_Listed()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await StartAsync(fleet);
        using var client = new HttpClient { BaseAddress = fleet[0].Url };
        using var answer = await client.PostAsJsonAsync("/api/generate", new { model = TestFleet.Model }, Token);
        Assert.Equal([TestFleet.Model], await RunningAsync(bridge));
    }

    [Fact]
    public async Task Response_LoadedModel_FleetUpdatedWithoutProbe()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await StartAsync(fleet);
        using var answer = await bridge.PostAsync("/api/generate", new { model = TestFleet.Model, prompt = "x", stream = false }, Token);
        await bridge.UntilAsync(s => s.Instances[0].Loaded.Length == 1, "the fleet's view shows the load");
        using var unload = await bridge.PostAsync("/api/generate", new { model = TestFleet.Model, keep_alive = 0, stream = false }, Token);
        await bridge.UntilAsync(s => s.Instances[0].Loaded.Length == 0, "the fleet's view shows the unload");
    }

    [Fact]
    public async Task Ps_SlowInstance_LastKnownState()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await StartAsync(fleet);
        await fleet[0].KillAsync();
        Assert.Empty(await RunningAsync(bridge));
    }

    // The intervals are so long that regular probes don't affect the test.
    private static Task<TestBridge> StartAsync(TestFleet fleet) => TestBridge.StartAsync(
        fleet.Servers, ("Bridge:Health:Interval", "00:10:00"), ("Bridge:Health:CatalogInterval", "00:10:00"));

    private static async Task<string[]> RunningAsync(TestBridge bridge) =>
        [.. (await bridge.GetJsonAsync("/api/ps"))["models"]!.AsArray().Select(m => (string)m!["name"]!)];
}

using System.Net;
using System.Text.Json.Nodes;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Simulator;
using OllamaBridge.Testing;

namespace OllamaBridge.Gateway.FunctionalTests.Fleet;

/// <summary>The fleet under load: models stay loaded, instances are added, removed, killed and drained, and no request fails.</summary>
public sealed class FleetTests
{
    private static readonly string[] ThreeModels = ["deepseek-r1:7b", "deepseek-r1:1.5b", "llama3:8b"];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(60)]
    [InlineData(600)]
    public async Task Chat_ThreeModelsOnThreeInstances_LoadsDoNotGrowWithRequests(int requests)
    {
        await using var fleet = await TestFleet.StartAsync(
            3,
            SimulatorOptions.Instant with { ParallelSlots = 2, MaxLoadedModels = 1, LoadTime = TimeSpan.FromMilliseconds(50) },
            ThreeModels);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        var random = new Random(7);
        var order = Enumerable.Range(0, requests).Select(_ => ThreeModels[random.Next(3)]).ToArray();

        using var atOnce = new SemaphoreSlim(12);
        await Task.WhenAll(order.Select(async (model, i) =>
        {
            await atOnce.WaitAsync(Token);
            try
            {
                using var answer = await bridge.PostAsync("/api/chat", Ask.Chat(model, stream: i % 2 == 0, text: $"{i}"), Token);
                Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            }
            finally
            {
                atOnce.Release();
            }
        }));

        // One load per model, and a few until the distribution is stable.
        var loads = fleet.Sum(s => s.Loads);
        Assert.True(loads is >= 3 and <= 7, $"{loads} loads; " + string.Join(", ", bridge.Fleet.Current.Instances.Select(i =>
            $"{i.Instance.Name}: room for {i.Instance.Capacity}, holds {i.Instance.Residents}")));
    }

    [Fact]
    public async Task Chat_InstanceKilledAndRestartedUnderLoad_NoRequestFails()
    {
        await using var fleet = await TestFleet.StartAsync(
            3,
            SimulatorOptions.Instant with { ParallelSlots = 16, DecodePerToken = TimeSpan.FromMilliseconds(2), LoadTime = TimeSpan.FromMilliseconds(20) });
        await using var bridge = await TestBridge.StartAsync(fleet.Servers, ("Bridge:Scheduling:SpillAfter", "00:00:00"));
        var stop = 0;
        var answered = 0;
        var victim = fleet[1];

        var clients = Enumerable.Range(0, 200).Select(async client =>
        {
            for (var i = 0; i < 3 || Volatile.Read(ref stop) == 0; i++)
            {
                using var answer = await bridge.PostAsync("/api/chat", Ask.Chat(stream: false, tokens: 10, text: $"{client} {i}"), Token);
                Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
                Assert.True(JsonNode.Parse(await answer.Content.ReadAsStringAsync(Token))!["done"]!.GetValue<bool>());
                Interlocked.Increment(ref answered);
            }
        }).ToArray();
        await Eventually.BecomesAsync(() => victim.Statistics.ActiveGenerations > 8, TimeSpan.FromSeconds(20));
        await victim.KillAsync();
        var atKill = Volatile.Read(ref answered);
        await Eventually.BecomesAsync(() => Volatile.Read(ref answered) > atKill + 200, TimeSpan.FromSeconds(30));
        await victim.RestartAsync(Token);
        var before = victim.Statistics.Requests;
        await Eventually.BecomesAsync(() => victim.Statistics.Requests > before, TimeSpan.FromSeconds(30));
        Volatile.Write(ref stop, 1);

        await Task.WhenAll(clients);
        Assert.True(answered >= 600);
    }

    [Fact]
    public async Task Configuration_InstancesChangeUnderLoad_NoRequestFails()
    {
        await using var fleet = await TestFleet.StartAsync(3, SimulatorOptions.Instant with { ParallelSlots = 4, DecodePerToken = TimeSpan.FromMilliseconds(2) });
        await using var bridge = await TestBridge.StartAsync([fleet[0]], ("Bridge:Scheduling:SpillAfter", "00:00:00"));
        var stop = 0;
        var clients = Enumerable.Range(0, 30).Select(async client =>
        {
            for (var i = 0; Volatile.Read(ref stop) == 0; i++)
            {
                using var answer = await bridge.PostAsync("/api/chat", Ask.Chat(stream: client % 2 == 0, text: $"{client} {i}"), Token);
                Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
                Assert.Contains("\"done\":true", await answer.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
            }
        }).ToArray();

        bridge.Configuration.Change(c =>
        {
            c["Bridge:Instances:1:Url"] = fleet[1].Url.ToString();
            c["Bridge:Instances:1:Name"] = "sim-2";
            c["Bridge:Instances:1:Slots"] = "4";
            c["Bridge:Instances:2:Url"] = fleet[2].Url.ToString();
            c["Bridge:Instances:2:Name"] = "sim-3";
            c["Bridge:Instances:2:Slots"] = "4";
        });
        await Eventually.BecomesAsync(() => fleet[1].Statistics.Requests > 10 && fleet[2].Statistics.Requests > 10, TimeSpan.FromSeconds(20));
        var leaving = bridge.Fleet.Current.Instances.Where(i => i.Instance.Name != "sim-3").Select(i => i.Instance).ToArray();
        bridge.Configuration.Change(c =>
        {
            c["Bridge:Instances:0:Url"] = fleet[2].Url.ToString();
            c["Bridge:Instances:0:Name"] = "sim-3";
            foreach (var key in c.Keys.Where(k => k.StartsWith("Bridge:Instances:1", StringComparison.Ordinal) || k.StartsWith("Bridge:Instances:2", StringComparison.Ordinal)).ToArray())
                c.Remove(key);
        });
        await bridge.UntilAsync(s => s.Instances is [{ Instance.Name: "sim-3" }], "only the third is left");
        // A lease lasts from the decision to the end of the response, so without leases no request is on its way.
        await Eventually.BecomesAsync(
            () => leaving.All(i => i.SlotsUsed == 0) && fleet[0].Statistics.ConcurrentRequests == 0 && fleet[1].Statistics.ConcurrentRequests == 0,
            TimeSpan.FromSeconds(20));
        var (one, two, three) = (fleet[0].Statistics.Requests, fleet[1].Statistics.Requests, fleet[2].Statistics.Requests);
        await Eventually.BecomesAsync(() => fleet[2].Statistics.Requests > three + 50, TimeSpan.FromSeconds(20));
        Volatile.Write(ref stop, 1);

        await Task.WhenAll(clients);
        Assert.Equal((one, two), (fleet[0].Statistics.Requests, fleet[1].Statistics.Requests));
    }

    [Fact]
    public async Task Configuration_BecomesInvalid_FleetUnchangedAndErrorLogged()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);

        bridge.Configuration.Change(c => c["Bridge:Instances:0:Slots"] = "0");

        await Eventually.BecomesAsync(() => bridge.Logs.Lines.Any(l => l.Contains("Bridge:Instances:0:Slots", StringComparison.Ordinal)), TimeSpan.FromSeconds(5));
        using var answer = await bridge.PostAsync("/api/chat", Ask.Chat(stream: false), Token);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
    }

    [Fact]
    public async Task Drain_UnderLoad_FinishesRunningRequestsAndGetsNoNewOnes()
    {
        await using var fleet = await TestFleet.StartAsync(2, SimulatorOptions.Instant with { ParallelSlots = 4, DecodePerToken = TimeSpan.FromMilliseconds(3) });
        await using var bridge = await TestBridge.StartAsync(fleet.Servers);
        var streams = await Task.WhenAll(Enumerable.Range(0, 4).Select(i => bridge.OpenAsync("/api/chat", Ask.Chat(tokens: 12, text: $"{i}"), Token)));
        var name = streams[0].Headers.GetValues("X-Bridge-Instance").Single();
        var server = fleet[name == "sim-1" ? 0 : 1];

        using var drained = await bridge.Client.PostAsync($"/bridge/instances/{name.ToUpperInvariant()}/drain", null, Token);
        var seen = server.Statistics.Requests;
        for (var i = 0; i < 6; i++)
        {
            using var answer = await bridge.PostAsync("/api/chat", Ask.Chat(stream: false), Token);
            Assert.NotEqual(name, answer.Headers.GetValues("X-Bridge-Instance").Single());
        }

        Assert.Equal(HttpStatusCode.OK, drained.StatusCode);
        Assert.Equal(seen, server.Statistics.Requests);
        foreach (var stream in streams)
            Assert.Contains("\"done\":true", await stream.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
        var report = (await bridge.GetJsonAsync("/bridge/instances")).AsArray().Single(i => i!["name"]!.GetValue<string>() == name)!;
        Assert.True(report["draining"]!.GetValue<bool>());

        using var back = await bridge.Client.PostAsync($"/bridge/instances/{name}/undrain", null, Token);
        Assert.False(JsonNode.Parse(await back.Content.ReadAsStringAsync(Token))!["draining"]!.GetValue<bool>());
    }

    [Fact]
    public async Task Start_NoInstances_WarnsAndServes503()
    {
        await using var bridge = await TestBridge.StartAsync([]);

        using var answer = await bridge.PostAsync("/api/chat", Ask.Chat(), Token);
        using var health = await bridge.Client.GetAsync("/health", Token);

        Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
        Assert.Contains("Bridge:Urls", await answer.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
        Assert.Contains("no instance is configured", await health.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
        Assert.Contains(bridge.Logs.Lines, l => l.Contains("Bridge__Urls", StringComparison.Ordinal));
        Assert.Equal("Ollama is running", await bridge.Client.GetStringAsync("/", Token));
    }

    [Fact]
    public async Task Start_InvalidConfiguration_AllErrorsNameTheirKeys()
    {
        var error = await Assert.ThrowsAsync<Microsoft.Extensions.Options.OptionsValidationException>(() => TestBridge.StartAsync(
            [],
            ("Bridge:Instances:0:Url", "not an address"),
            ("Bridge:Instances:1:Url", "http://127.0.0.1:1"),
            ("Bridge:Instances:1:Slots", "0"),
            ("Bridge:Instances:2:Url", "http://127.0.0.1:2"),
            ("Bridge:Instances:2:Name", "a b")));

        Assert.Contains("Bridge:Instances:0:Url", error.Message, StringComparison.Ordinal);
        Assert.Contains("Bridge:Instances:1:Slots", error.Message, StringComparison.Ordinal);
        Assert.Contains("Bridge:Instances:2:Name", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Start_ErrorsInSeveralSections_ReportedTogether()
    {
        var error = await Assert.ThrowsAsync<Microsoft.Extensions.Options.OptionsValidationException>(() => TestBridge.StartAsync(
            [],
            ("Bridge:Urls", "::"),
            ("Bridge:Queue:Length", "-4"),
            ("Bridge:Health:Timeout", "soon"),
            ("Bridge:Access:Origins:0", "chat.example")));

        Assert.Contains("Bridge:Urls", error.Message, StringComparison.Ordinal);
        Assert.Contains("Bridge:Queue:Length", error.Message, StringComparison.Ordinal);
        Assert.Contains("Bridge:Health:Timeout", error.Message, StringComparison.Ordinal);
        Assert.Contains("Bridge:Access:Origins:0", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Start_UnknownPolicies_Fails()
    {
        var error = await Assert.ThrowsAsync<Microsoft.Extensions.Options.OptionsValidationException>(() => TestBridge.StartAsync(
            [], ("Bridge:Scheduling:Picker", "worst"), ("Bridge:Scheduling:Scorers:luck", "1")));

        Assert.Contains("worst", error.Message, StringComparison.Ordinal);
        Assert.Contains("luck", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Instances_UrlsAndServiceNames_AreInstances()
    {
        await using var fleet = await TestFleet.StartAsync(3);
        await using var bridge = await TestBridge.StartAsync(
            [],
            ("Bridge:Urls", $"{fleet[0].Url}, {fleet[1].Url.Authority}"),
            ("Bridge:Slots", "3"),
            ("Bridge:Instances:0:Url", "http://ollama-1"),
            ("services:ollama-1:http:0", fleet[2].Url.ToString()));

        var instances = bridge.Fleet.Current.Instances;

        Assert.Equal([fleet[0].Url.Authority, fleet[1].Url.Authority, "ollama-1"], instances.Select(i => i.Instance.Name));
        Assert.All(instances, i => Assert.Equal((InstanceStatus.Healthy, 3), (i.Status, i.Instance.Slots)));
    }
}

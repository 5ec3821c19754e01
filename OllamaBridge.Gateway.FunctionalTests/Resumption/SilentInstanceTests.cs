using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Simulator;
using OllamaBridge.Testing;

namespace OllamaBridge.Gateway.FunctionalTests.Resumption;

/// <summary>Silent instances, with default time-outs and a clock ten times as fast as the real one.</summary>
public sealed class SilentInstanceTests
{
    private const string Embeddings = "nomic-embed-text:latest";
    private readonly ScaledTime _time = new(10);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private static IEnumerable<(string Path, bool Stream)> Routes =>
    [
        .. from path in new[] { "/api/chat", "/api/generate", "/v1/chat/completions", "/v1/completions", "/v1/messages", "/v1/responses" }
           from stream in new[] { true, false }
           select (path, stream),
        ("/api/embed", false), ("/api/embeddings", false), ("/v1/embeddings", false),
    ];

    [Theory]
    [InlineData(FaultKind.Frozen, true)]
    [InlineData(FaultKind.Frozen, false)]
    [InlineData(FaultKind.Hang, true)]
    [InlineData(FaultKind.Hang, false, "/")] // the whole machine, health routes included
    public async Task Send_RunnerFrozen_EveryRouteFailsOver(FaultKind kind, bool isAskedBefore, string? path = null)
    {
        await using var fleet = await StartFleetAsync(2, TimeSpan.Zero);
        await LoadAsync(fleet[0]);
        await using var bridge = await StartBridgeAsync(fleet, loaded: 1);
        if (isAskedBefore)
            Assert.Equal("sim-1", (await AskAsync(bridge, "/api/chat", true)).Instance);
        fleet[0].Faults.Add(new Fault { Kind = kind, Path = path });

        var answers = await Task.WhenAll(Routes.Select(r => AskAsync(bridge, r.Path, r.Stream)));

        foreach (var (route, answer) in Routes.Zip(answers))
            Assert.True(answer is { Status: HttpStatusCode.OK, Instance: "sim-2" }, $"{route}: {answer}");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Send_RunnerFrozenAndModelListDelayed_DetectedAsStalledNotLoading(bool isAskedBefore)
    {
        await using var fleet = await StartFleetAsync(2, TimeSpan.Zero, holdsRunningList: true);
        await LoadAsync(fleet[0]);
        await using var bridge = await StartBridgeAsync(fleet, loaded: 1);
        if (isAskedBefore)
            await AskAsync(bridge, "/api/chat", stream: true);
        fleet[0].Faults.Add(new Fault { Kind = FaultKind.Frozen });

        var answers = await Task.WhenAll(AskAsync(bridge, "/api/chat", stream: true), AskAsync(bridge, "/api/chat", stream: false));

        Assert.All(answers, a => Assert.Equal((HttpStatusCode.OK, "sim-2"), (a.Status, a.Instance)));
        Assert.Contains(bridge.Logs.Lines, l => l.Contains(" 1280 ", StringComparison.Ordinal) && l.Contains("Unresponsive", StringComparison.Ordinal));
        Assert.DoesNotContain(bridge.Logs.Lines, l => l.Contains(" 1280 ", StringComparison.Ordinal) && l.Contains("Loading", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Send_ModelListDelayedByLoad_HealthyWithoutSecondLoad()
    {
        await using var fleet = await StartFleetAsync(2, TimeSpan.FromSeconds(25), holdsRunningList: true);
        // Probe intervals and time-outs in scaled time.
        await using var bridge = await TestBridge.StartAsync(
            fleet.Servers, _time, ("Bridge:Health:Interval", "00:00:02"), ("Bridge:Health:RecoveryInterval", "00:00:02"), ("Bridge:Health:Timeout", "00:00:06"));
        await bridge.UntilAsync(s => s.Models.Count == 2 && s.Instances.All(i => i.IsUsable), "both are healthy");
        var states = new System.Collections.Concurrent.ConcurrentBag<InstanceStatus>();
        bridge.Fleet.Changed += () => states.Add(bridge.Fleet.Current.Instances.Max(i => i.Status));
        var first = AskAsync(bridge, "/api/chat", stream: true);
        await bridge.UntilAsync(s => s.Instances.Any(i => i.Remarks.Any(r => r.StartsWith("/api/ps does not respond", StringComparison.Ordinal))), "the list is held back");

        var answers = await Task.WhenAll([first, .. Enumerable.Range(0, 4).Select(i => AskAsync(bridge, "/api/chat", stream: i % 2 == 0))]);

        Assert.All(answers, a => Assert.Equal(HttpStatusCode.OK, a.Status));
        Assert.Equal(1, fleet.Sum(s => s.Loads));
        Assert.All(states, s => Assert.Equal(InstanceStatus.Healthy, s));
    }

    [Fact]
    public async Task Send_RunnerFrozen_StallLogged()
    {
        await using var fleet = await StartFleetAsync(2, TimeSpan.Zero);
        await LoadAsync(fleet[0]);
        await using var bridge = await StartBridgeAsync(fleet, loaded: 1);
        fleet[0].Faults.Add(new Fault { Kind = FaultKind.Frozen });
        // The assertions use log lines instead of elapsed real time.
        var answer = await AskAsync(bridge, "/api/chat", stream: false);

        Assert.Equal("sim-2", answer.Instance);
        Assert.Contains(bridge.Logs.Lines, l => l.Contains(" 1280 ", StringComparison.Ordinal) && l.Contains("Unresponsive", StringComparison.Ordinal));
        var failed = bridge.Logs.Lines.Single(l => l.Contains(" 1200 ", StringComparison.Ordinal));
        Assert.Contains("TimedOut", failed, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Send_LongPromptOnResponsiveInstance_CompletesThere(bool stream)
    {
        await using var fleet = await StartFleetAsync(2, TimeSpan.Zero);
        await LoadAsync(fleet[0]);
        await LoadAsync(fleet[1]);
        await using var bridge = await StartBridgeAsync(fleet, loaded: 2);
        // The usual time to the first token is known, and this one exceeds it by far.
        for (var i = 0; i < 4; i++)
            await AskAsync(bridge, "/api/chat", stream);
        foreach (var server in fleet.Servers)
            server.Faults.Add(new Fault { Kind = FaultKind.SlowFirstToken, Delay = TimeSpan.FromSeconds(60), Times = 1 });

        var answer = await AskAsync(bridge, "/api/chat", stream);

        Assert.True(answer is { Status: HttpStatusCode.OK }, $"{answer}");
        Assert.DoesNotContain(bridge.Logs.Lines, l => l.Contains(" 1200 ", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Send_OtherContextLength_WaitsForReloadWithoutAnotherLoad(bool stream)
    {
        await using var fleet = await StartFleetAsync(2, TimeSpan.FromSeconds(20));
        await Task.WhenAll(LoadAsync(fleet[0]), LoadAsync(fleet[1]));
        await using var bridge = await StartBridgeAsync(fleet, loaded: 2);
        var before = fleet.Sum(s => s.Loads);

        var answer = await AskAsync(bridge, "/api/chat", stream, context: 8192);

        Assert.Equal(HttpStatusCode.OK, answer.Status);
        Assert.Equal(1, fleet.Sum(s => s.Loads) - before);
    }

    [Fact]
    public async Task Send_MachineFrozen_EveryRouteFailsOver()
    {
        string[] models = [TestFleet.Model, Embeddings];
        string[] arguments = ["--models", string.Join(',', models), "--slots", "32", "--load-time", "0s", "--prefill", "0ms", "--decode", "0ms"];
        await using var first = await SimulatorProcess.StartAsync(models, arguments);
        await using var second = await SimulatorProcess.StartAsync(models, arguments);
        await using var bridge = await TestBridge.StartAsync(
            [],
            _time,
            ("Bridge:Instances:0:Url", first.Url.ToString()), ("Bridge:Instances:0:Name", "sim-1"), ("Bridge:Instances:0:Slots", "32"),
            ("Bridge:Instances:1:Url", second.Url.ToString()), ("Bridge:Instances:1:Name", "sim-2"), ("Bridge:Instances:1:Slots", "32"),
            ("Bridge:Health:Interval", "00:00:10"), ("Bridge:Health:RecoveryInterval", "00:00:10"), ("Bridge:Health:Timeout", "00:01:00"));
        await bridge.UntilAsync(s => s.Instances.Length == 2 && s.Instances.All(i => i.Loaded.Length == 2), "the models are seen in memory");
        // Kept connections and new ones.
        await Task.WhenAll(Routes.Select(r => AskAsync(bridge, r.Path, r.Stream)));
        await first.FreezeAsync();

        var answers = await Task.WhenAll(Routes.Select(r => AskAsync(bridge, r.Path, r.Stream)));

        foreach (var (route, answer) in Routes.Zip(answers))
            Assert.True(answer is { Status: HttpStatusCode.OK, Instance: "sim-2" }, $"{route}: {answer}");
    }

    [Fact]
    public async Task Send_LoadHangs_EveryRouteFailsOver()
    {
        await using var fleet = await StartFleetAsync(2, TimeSpan.Zero);
        await using var bridge = await StartBridgeAsync(fleet, loaded: 0);
        await bridge.Fleet.SetDrainingAsync("sim-2", true, Token);
        fleet[0].Faults.Add(new Fault { Kind = FaultKind.Hang });
        var asked = Routes.Select(r => AskAsync(bridge, r.Path, r.Stream)).ToArray();
        await Eventually.BecomesAsync(() => fleet[0].Statistics.Seen.Select(r => r.Path).Distinct().Count() >= 9, TimeSpan.FromSeconds(30));
        await bridge.Fleet.SetDrainingAsync("sim-2", false, Token);

        var answers = await Task.WhenAll(asked);

        foreach (var (route, answer) in Routes.Zip(answers))
            Assert.True(answer is { Status: HttpStatusCode.OK, Instance: "sim-2" }, $"{route}: {answer}");
        Assert.Contains(bridge.Logs.Lines, l => l.Contains(" 1280 ", StringComparison.Ordinal) && l.Contains("Loading", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Send_LoadHangs_AnotherInstanceLoads()
    {
        await using var fleet = await StartFleetAsync(2, TimeSpan.Zero);
        await using var bridge = await StartBridgeAsync(fleet, loaded: 0);
        // The scheduler may choose either instance first.
        fleet[0].Faults.Add(new Fault { Kind = FaultKind.Hang });
        fleet[1].Faults.Add(new Fault { Kind = FaultKind.Hang });
        var asked = AskAsync(bridge, "/api/chat", stream: false);
        await Eventually.BecomesAsync(() => fleet.Sum(s => s.Requests) > 0, TimeSpan.FromSeconds(30));
        fleet[fleet[0].Statistics.Requests > 0 ? 1 : 0].Faults.Clear();

        Assert.Equal(HttpStatusCode.OK, (await asked).Status);
        Assert.Contains(bridge.Logs.Lines, l => l.Contains(" 1280 ", StringComparison.Ordinal) && l.Contains("Loading", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Send_OnlyInstanceFrozen_ErrorAfterBoundedTime(bool stream)
    {
        await using var fleet = await StartFleetAsync(1, TimeSpan.Zero);
        await LoadAsync(fleet[0]);
        await using var bridge = await StartBridgeAsync(fleet, loaded: 1);
        fleet[0].Faults.Add(new Fault { Kind = FaultKind.Frozen });

        Assert.Equal(HttpStatusCode.GatewayTimeout, (await AskAsync(bridge, "/api/chat", stream)).Status);
    }

    [Fact]
    public async Task Send_AllInstancesPausedTwentySeconds_NoError()
    {
        await using var fleet = await StartFleetAsync(2, TimeSpan.Zero);
        await Task.WhenAll(LoadAsync(fleet[0]), LoadAsync(fleet[1]));
        await using var bridge = await StartBridgeAsync(fleet, loaded: 2);
        foreach (var server in fleet.Servers)
            server.Faults.Add(new Fault { Kind = FaultKind.Frozen });
        var asked = Enumerable.Range(0, 4).Select(i => AskAsync(bridge, "/api/chat", stream: i % 2 == 0)).ToArray();
        await Task.Delay(TimeSpan.FromSeconds(20), _time, Token);
        foreach (var server in fleet.Servers)
            server.Faults.Clear();

        Assert.All(await Task.WhenAll(asked), a => Assert.Equal(HttpStatusCode.OK, a.Status));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Send_ParallelismBelowSlots_SlotsLoweredAndLogged(int parallel)
    {
        await using var fleet = await TestFleet.StartAsync(1, SimulatorOptions.Instant with { ParallelSlots = parallel, DecodePerToken = TimeSpan.FromMilliseconds(10) });
        await using var bridge = await TestBridge.StartAsync(fleet.Servers, ("Bridge:Instances:0:Slots", "4"));
        var limited = $"Slots limited on sim-1 to {parallel} parallel requests of {TestFleet.Model} instead of 4";

        async Task AskAgainAsync()
        {
            for (var i = 0; i < 100 && !bridge.Logs.Lines.Any(l => l.Contains(" 1055 ", StringComparison.Ordinal)); i++)
                await AskAsync(bridge, "/api/chat", stream: true);
        }

        await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => AskAgainAsync()));

        Assert.Contains(bridge.Logs.Lines, l => l.Contains(limited, StringComparison.Ordinal));
        Assert.Contains($"model=\"{TestFleet.Model}\"}} {parallel}", await MetricAsync(bridge, "ollama_placement_parallel"), StringComparison.Ordinal);
    }

    private async Task<TestFleet> StartFleetAsync(int count, TimeSpan load, bool holdsRunningList = false) => await TestFleet.StartAsync(
        count, SimulatorOptions.Instant with { ParallelSlots = 32, MaxLoadedModels = 4, LoadTime = load, TimeProvider = _time, HoldsRunningList = holdsRunningList }, TestFleet.Model, Embeddings);

    private static async Task LoadAsync(SimulatedServer server)
    {
        using var client = new HttpClient();
        foreach (var model in new[] { TestFleet.Model, Embeddings })
            (await client.PostAsJsonAsync(new Uri(server.Url, "/api/embed"), new { model, keep_alive = -1 }, Token)).EnsureSuccessStatusCode().Dispose();
    }

    private async Task<TestBridge> StartBridgeAsync(TestFleet fleet, int loaded)
    {
        // Probe time-outs in real time, because a fast clock leaves probes too little time on a busy machine.
        var bridge = await TestBridge.StartAsync(
            fleet.Servers, _time, ("Bridge:Health:Interval", "00:00:01"), ("Bridge:Health:RecoveryInterval", "00:00:01"), ("Bridge:Health:Timeout", "00:01:00"));
        await bridge.UntilAsync(s => s.Models.Count == 2 && s.Instances.Count(i => i.Loaded.Length == 2) == loaded, "the models are seen in memory");
        return bridge;
    }

    private static async Task<Answer> AskAsync(TestBridge bridge, string path, bool stream, int? context = null)
    {
        var body = EveryRoute.Body(path, stream);
        if (context is { } length)
            body["options"] = new JsonObject { ["num_ctx"] = length };
        using var answer = await bridge.PostAsync(path, body, Token);
        var text = await answer.Content.ReadAsStringAsync(Token);
        return new Answer(answer.StatusCode, answer.Headers.TryGetValues("X-Bridge-Instance", out var names) ? names.Single() : null, text);
    }

    private static async Task<string> MetricAsync(TestBridge bridge, string name) =>
        string.Join('\n', (await bridge.Client.GetStringAsync("/metrics", Token)).Split('\n').Where(l => l.StartsWith(name, StringComparison.Ordinal)));

    private sealed record Answer(HttpStatusCode Status, string? Instance, string Text);
}

using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Simulator;

namespace OllamaBridge.Gateway.FunctionalTests.Activation;

/// <summary>A platform under the test's control. Its API scales simulators, and the configuration of every gateway follows.</summary>
internal sealed class ColdTierFixture : IAsyncDisposable
{
    public const string Model = "llama3:70b";

    private readonly List<SimulatedServer> _cold = [];
    private readonly List<TestBridge> _bridges = [];
    private readonly SemaphoreSlim _scaling = new(1);

    private ColdTierFixture(TestFleet hot, FakeApiServer api) => (Hot, Api) = (hot, api);

    /// <summary>One instance that always runs, with another model.</summary>
    public TestFleet Hot { get; }

    public FakeApiServer Api { get; }

    /// <summary>The tier's instances: all that were ever started, running or not.</summary>
    public IReadOnlyList<SimulatedServer> Cold => _cold;

    /// <summary>If true, a scaled instance does not start.</summary>
    public bool NeverStarts { get; set; }

    /// <summary>The slots of each of the tier's instances.</summary>
    public int Slots { get; init; } = 4;

    public static async Task<ColdTierFixture> StartAsync(int slots = 4)
    {
        var bed = new ColdTierFixture(await TestFleet.StartAsync(1), await FakeApiServer.StartAsync()) { Slots = slots };
        bed.Api.Scaled = bed.ScaleAsync;
        return bed;
    }

    public async Task<TestBridge> OpenAsync(params (string Key, string Value)[] settings)
    {
        var bridge = await TestBridge.StartAsync(
            Hot.Servers,
            [
                ("Bridge:Tiers:cold:Models:0", Model),
                ("Bridge:Tiers:cold:Activator", "Kubernetes"),
                ("Bridge:Kubernetes:KubeConfig", Api.KubeConfig),
                .. settings,
            ]);
        _bridges.Add(bridge);
        return bridge;
    }

    /// <summary>Scales the tier as the platform does, for any caller.</summary>
    public async Task ScaleAsync(int replicas)
    {
        await _scaling.WaitAsync(TestContext.Current.CancellationToken);
        try
        {
            for (var i = 0; i < Math.Max(replicas, _cold.Count); i++)
                if (i >= replicas)
                    await _cold[i].KillAsync();
                else if (!NeverStarts && i == _cold.Count)
                    _cold.Add(await SimulatedServer.StartAsync(
                        SimulatorOptions.Instant with { ParallelSlots = Slots, Store = new ModelStore([TestFleet.Plain(Model)]), Name = $"cold-{i}", Port = 0 },
                        TestContext.Current.CancellationToken));
                else if (!NeverStarts && !_cold[i].IsAlive)
                    await _cold[i].RestartAsync(TestContext.Current.CancellationToken);
            // As discovery would report it.
            foreach (var bridge in _bridges)
                bridge.Configuration.Change(settings =>
                {
                    for (var i = 0; i < _cold.Count; i++)
                    {
                        settings[$"Bridge:Instances:{i + 1}:Name"] = i < replicas ? $"ollama-cold-{i}" : null;
                        settings[$"Bridge:Instances:{i + 1}:Url"] = i < replicas ? _cold[i].Url.ToString() : null;
                        settings[$"Bridge:Instances:{i + 1}:Slots"] = i < replicas ? $"{Slots}" : null;
                        if (i >= replicas)
                            foreach (var field in new[] { "Name", "Url", "Slots" })
                                settings.Remove($"Bridge:Instances:{i + 1}:{field}");
                    }
                });
        }
        finally
        {
            _scaling.Release();
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var bridge in _bridges)
            await bridge.DisposeAsync();
        await Api.DisposeAsync();
        foreach (var server in _cold)
            await server.DisposeAsync();
        await Hot.DisposeAsync();
        _scaling.Dispose();
    }
}

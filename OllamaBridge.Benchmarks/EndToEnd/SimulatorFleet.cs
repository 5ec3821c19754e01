using OllamaBridge.Simulator;

namespace OllamaBridge.Benchmarks.EndToEnd;

/// <summary>The instances behind everything that is measured: three simulators over one store, in one process.</summary>
internal static class SimulatorFleet
{
    /// <summary>The command of the child process.</summary>
    public const string Command = "serve-simulators";

    /// <summary>Slots of each instance: enough that nobody ever waits.</summary>
    public const int Slots = 1024;

    /// <summary>A model whose tokens take no time.</summary>
    public const string InstantModel = "bench-instant:latest";

    /// <summary>A model with a token every 10 ms, about what a busy GPU gives each of its streams.</summary>
    public const string PacedModel = "bench-paced:latest";

    /// <summary>A model with a token every 500 ms: its streams stay open.</summary>
    public const string SlowModel = "bench-slow:latest";

    private const int Servers = 3;

    /// <summary>Every model.</summary>
    public static IReadOnlyList<string> Models { get; } = [InstantModel, PacedModel, SlowModel];

    /// <summary>Runs them until the parent has gone; says their addresses once they listen.</summary>
    public static async Task ServeAsync(CancellationToken cancellationToken)
    {
        var store = new ModelStore(
        [
            Model(InstantModel, TimeSpan.Zero),
            Model(PacedModel, TimeSpan.FromMilliseconds(10)),
            Model(SlowModel, TimeSpan.FromMilliseconds(500)),
        ]);
        var options = SimulatorOptions.Instant with
        {
            Store = store,
            ParallelSlots = Slots,
            MaxLoadedModels = Models.Count,
            KeepAlive = TimeSpan.FromSeconds(-1),
            SeenCapacity = 0,
        };
        var servers = new List<SimulatedServer>();
        try
        {
            for (var i = 0; i < Servers; i++)
                servers.Add(await SimulatedServer.StartAsync(options, cancellationToken));
            ChildServer.Announce(servers.Select(s => s.Url));
            await ParentWatch.WaitAsync(cancellationToken);
        }
        finally
        {
            foreach (var server in servers)
                await server.DisposeAsync();
        }
    }

    // Answers are as long as a request's num_predict says.
    private static SimulatedModel Model(string name, TimeSpan decode) =>
        SimulatedModel.Named(name) with { AnswerTokens = int.MaxValue, DecodePerToken = decode, LoadTime = TimeSpan.Zero };
}

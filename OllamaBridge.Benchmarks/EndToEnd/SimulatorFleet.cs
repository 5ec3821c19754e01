using OllamaBridge.Simulator;

namespace OllamaBridge.Benchmarks.EndToEnd;

/// <summary>The instances of every measurement: three simulators with one store, in one process.</summary>
internal static class SimulatorFleet
{
    public const string Command = "serve-simulators";

    /// <summary>The slots of each instance: so many that no request waits.</summary>
    public const int Slots = 1024;

    /// <summary>A model with no time per token.</summary>
    public const string InstantModel = "bench-instant:latest";

    /// <summary>A model with 10 ms per token, about the pace of one stream on a busy GPU.</summary>
    public const string PacedModel = "bench-paced:latest";

    /// <summary>A model with 500 ms per token, so that its streams stay open.</summary>
    public const string SlowModel = "bench-slow:latest";

    private const int Servers = 3;

    public static IReadOnlyList<string> Models { get; } = [InstantModel, PacedModel, SlowModel];

    /// <summary>Runs the simulators until the parent process ends, and announces their addresses as soon as they listen.</summary>
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

    // The request's num_predict alone limits the length of a response.
    private static SimulatedModel Model(string name, TimeSpan decode) =>
        SimulatedModel.Named(name) with { AnswerTokens = int.MaxValue, DecodePerToken = decode, LoadTime = TimeSpan.Zero };
}

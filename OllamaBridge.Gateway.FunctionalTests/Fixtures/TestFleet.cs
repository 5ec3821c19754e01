using OllamaBridge.Simulator;

namespace OllamaBridge.Gateway.FunctionalTests.Fixtures;

/// <summary>Simulated servers that share one model folder.</summary>
internal sealed class TestFleet : IAsyncDisposable
{
    public const string Model = "deepseek-r1:7b";

    private readonly List<SimulatedServer> _servers = [];

    public IReadOnlyList<SimulatedServer> Servers => _servers;

    public ModelStore Store => _servers[0].Store;

    public SimulatedServer this[int index] => _servers[index];

    public static async Task<TestFleet> StartAsync(int count, SimulatorOptions? options = null, params string[] models)
    {
        var fleet = new TestFleet();
        var store = new ModelStore((models.Length == 0 ? [Model] : models).Select(Plain));
        for (var i = 0; i < count; i++)
            fleet._servers.Add(await SimulatedServer.StartAsync(
                (options ?? SimulatorOptions.Instant with { ParallelSlots = 4 }) with { Store = store, Name = $"sim-{i + 1}", Port = 0 },
                TestContext.Current.CancellationToken));
        return fleet;
    }

    /// <summary>A model without thinking.</summary>
    public static SimulatedModel Plain(string name) => SimulatedModel.Named(name) with { ThinkingTokens = 0, AnswerTokens = 12 };

    public long Sum(Func<SimulatorStatistics, long> read) => _servers.Sum(s => read(s.Statistics));

    public async ValueTask DisposeAsync()
    {
        foreach (var server in _servers)
            await server.DisposeAsync();
    }
}

/// <summary>Request bodies.</summary>
internal static class Ask
{
    public static object Chat(string model = TestFleet.Model, bool? stream = null, int tokens = 6, string text = "Why is the sky blue?") => stream is null
        ? new { model, messages = new[] { new { role = "user", content = text } }, options = new { num_predict = tokens, seed = 1 } }
        : new { model, messages = new[] { new { role = "user", content = text } }, stream, options = new { num_predict = tokens, seed = 1 } };

    public static object OpenAI(string model = TestFleet.Model, bool stream = false, int tokens = 6) =>
        new { model, messages = new[] { new { role = "user", content = "Why?" } }, stream, max_tokens = tokens, seed = 1 };

    public static object Anthropic(string model = TestFleet.Model, bool stream = false, int tokens = 6) =>
        new { model, max_tokens = tokens, messages = new[] { new { role = "user", content = "Why?" } }, stream };
}

using System.Globalization;
using System.Text.Json;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Simulator;
using OllamaBridge.Testing;
using OllamaBridge.Testing.Streams;

namespace OllamaBridge.Gateway.FunctionalTests.Resumption;

/// <summary>Many streams over four server processes of which one after another is killed with SIGKILL and restarted; clients notice at most a pause.
/// Not parallel, because the test needs the whole machine.</summary>
/// <remarks>
/// <c>SOAK=1000</c> in the environment runs the full test: 1,000 streams of 30 s, a kill every 5 s, and the specified limit for pauses.
/// Otherwise the streams are fewer and shorter, and the limit allows for a busy machine.
/// </remarks>
[Collection(nameof(Alone))]
public sealed class SoakTests(ITestOutputHelper output)
{
    private const int Servers = 4;
    private const int Mebibyte = 1024 * 1024;
    private const string Plain = "llama3.2:3b";
    private const string Prefill = "mistral:7b";
    private const string Thinking = "deepseek-r1:7b";
    private static readonly string[] Models = [Plain, Prefill, Thinking];
    private static readonly bool IsFull = Environment.GetEnvironmentVariable("SOAK") is { Length: > 0 };
    private static readonly int Streams = IsFull ? int.Parse(Environment.GetEnvironmentVariable("SOAK")!, CultureInfo.InvariantCulture) : 200;
    private static readonly int Tokens = IsFull ? 150 : 100;
    private static readonly TimeSpan Pace = TimeSpan.FromMilliseconds(IsFull ? 200 : 120);
    private static readonly TimeSpan BetweenKills = TimeSpan.FromSeconds(IsFull ? 5 : 3);
    private static readonly TimeSpan PrefillPerToken = TimeSpan.FromMilliseconds(0.2);
    // Three servers must have enough slots for all streams. Otherwise a stream would wait for the end of another one.
    private static readonly int Slots = (int)(Streams * 0.4);
    // Only a failed test reaches this time.
    private static readonly TimeSpan Patience = TestTimeouts.Guard;

    private static readonly (string Path, string Model)[] Kinds =
    [
        ("/api/chat", Plain), ("/v1/chat/completions", Plain), ("/v1/messages", Plain), ("/api/generate", Plain), ("/v1/completions", Plain),
        ("/api/chat", Prefill), ("/v1/chat/completions", Prefill), ("/v1/messages", Prefill),
        ("/api/chat", Thinking), ("/v1/chat/completions", Thinking), ("/v1/messages", Thinking), ("/api/generate", Thinking),
    ];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Streams_ServersKilledInTurn_EveryResponseCompleteAndExact()
    {
        using var client = Client();
        var expected = await UndisturbedAsync(client);
        string[] arguments =
        [
            "--slots", Slots.ToString(CultureInfo.InvariantCulture), "--models", $"{Plain},{Thinking}", "--prefill-models", Prefill,
            "--answer-tokens", Tokens.ToString(CultureInfo.InvariantCulture), "--decode", $"{Pace.TotalMilliseconds}ms", "--load-time", "0s",
            "--prefill", string.Create(CultureInfo.InvariantCulture, $"{PrefillPerToken.TotalMilliseconds}ms"),
        ];
        var servers = await Task.WhenAll(Enumerable.Range(0, Servers).Select(_ => SimulatorProcess.StartAsync(Models, arguments)));
        await using var gateway = await GatewayProcess.StartAsync(
            [.. servers.Select(s => s.Url)],
            Slots,
            // 16 MiB: memory then shows live objects instead of garbage that the collector has not yet freed.
            ("DOTNET_GCgen0size", "0x1000000"));
        Task<double> ContinuationsAsync(string outcome) => gateway.MetricAsync("ollama_continuations_total", $"outcome=\"{outcome}\"", Token);
        try
        {
            await Task.WhenAll(servers.Select(s => GetReadyAsync(client, s)));
            await WarmUpAsync(client, gateway, servers);
            var (before, objects) = (gateway.Resident, await ObjectsAsync(gateway));
            var (early, late) = (await ContinuationsAsync("succeeded"), await ContinuationsAsync("interrupted"));

            var (answers, kills) = await DisturbedAsync(client, servers, BetweenKills, i => AskAsync(client, gateway.Url, i));
            var open = gateway.Resident;
            var continued = await ContinuationsAsync("succeeded") - early;
            var again = await ContinuationsAsync("interrupted") - late;
            var failed = await ContinuationsAsync("failed");
            output.WriteLine($"{Streams} streams of {Tokens} tokens, {Pace.TotalMilliseconds} ms each; {kills} kills; resumed to the end {continued}, interrupted again {again}, failed {failed}");
            var pauses = answers.Select(a => a.Silence - Pace).Order().ToArray();
            output.WriteLine($"longest silence of each stream beyond its pace, ms: median {At(pauses, 0.5)}, 90 % {At(pauses, 0.9)}, 99 % {At(pauses, 0.99)}, most {At(pauses, 1)}");
            for (var i = 0; i < Streams; i++)
                AssertSame(expected[i], answers[i], i, gateway);
            Assert.True(kills >= 3 && continued >= Streams / 4, $"{kills} kills, {continued} continued");
            Assert.Equal(0, failed);
            // The longest prompt of a resumption is the conversation and the complete response.
            var limit = TimeSpan.FromSeconds(IsFull ? 0.5 : 5) + (PrefillPerToken * (2 * Tokens));
            Assert.True(pauses[(int)Math.Ceiling(0.99 * Streams) - 1] < limit, $"silent for {At(pauses, 0.99)} ms at the 99th percentile");

            await Eventually.BecomesAsync(async () => (await gateway.InstancesAsync("slotsUsed", Token)).Sum() == 0, Patience);
            // The clients disconnect.
            client.Dispose();
            await AssertMemoryReturnsAsync(gateway, before, open, objects);
        }
        finally
        {
            foreach (var server in servers)
                await server.DisposeAsync();
        }
    }

    /// <summary>Warms up a process before the measurement: it allocates memory for all streams and, in a full run, compiles all code,
    /// as in a gateway that has run for days.</summary>
    private static async Task WarmUpAsync(HttpClient client, GatewayProcess gateway, SimulatorProcess[] servers)
    {
        if (IsFull)
        {
            var often = BetweenKills / 2;
            for (var round = 0; round < 2; round++)
                _ = await DisturbedAsync(client, servers, often, i => AskAsync(client, gateway.Url, i, tokens: 60));
            await Eventually.BecomesAsync(async () => (await gateway.InstancesAsync("slotsUsed", Token)).Sum() == 0, Patience);
        }

        await Task.WhenAll(Enumerable.Range(0, Streams).Select(i => AskAsync(client, gateway.Url, i, tokens: 20))).WaitAsync(Patience, Token);
    }

    /// <summary>Runs all streams while one server after another is killed.</summary>
    private static async Task<(TimedStream[] Answers, int Kills)> DisturbedAsync(HttpClient client, SimulatorProcess[] servers, TimeSpan interval, Func<int, Task<TimedStream>> ask)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Token);
        var killing = KillAsync(client, servers, interval, stop.Token);
        var answers = await Task.WhenAll(Enumerable.Range(0, Streams).Select(ask)).WaitAsync(Patience, Token);
        await stop.CancelAsync();
        return (answers, await killing);
    }

    /// <summary>Warms up a new simulator. Its first response triggers compilation, which takes a third of a second on this machine
    /// and has no equivalent in a real server.</summary>
    private static Task GetReadyAsync(HttpClient client, SimulatorProcess server) =>
        Task.WhenAll(Enumerable.Range(0, 4 * Kinds.Length).Select(i => AskAsync(client, server.Url, i, tokens: 2)));

    /// <summary>Kills one server after another, and restarts each after a pause, as a supervisor does.</summary>
    /// <returns>The number of kills.</returns>
    private static async Task<int> KillAsync(HttpClient client, SimulatorProcess[] servers, TimeSpan interval, CancellationToken stop)
    {
        const int Steps = 5;
        using var timer = new PeriodicTimer(interval / Steps);
        var kills = 0;
        SimulatorProcess? down = null;
        try
        {
            for (var step = 0; await timer.WaitForNextTickAsync(stop); step++)
            {
                if (step % Steps == 0)
                {
                    down = servers[step / Steps % servers.Length];
                    await down.KillAsync();
                    kills++;
                }
                else if (step % Steps == 1)
                {
                    await ReturnAsync();
                }
            }
        }
        catch (OperationCanceledException) when (!Token.IsCancellationRequested)
        {
            // All responses are complete.
        }

        await ReturnAsync();
        return kills;

        async Task ReturnAsync()
        {
            if (down is not { } server)
                return;
            await server.RestartAsync();
            await GetReadyAsync(client, server);
            down = null;
        }
    }

    /// <summary>Gets the undisturbed text of each stream from an instant server with the same models.</summary>
    private static async Task<StreamedAnswer[]> UndisturbedAsync(HttpClient client)
    {
        var store = new ModelStore(Models.Select(m => SimulatedModel.Named(m) with
        {
            AnswerTokens = Tokens,
            Template = m == Prefill ? ChatTemplate.Prefill : ChatTemplate.Messages,
        }));
        await using var server = await SimulatedServer.StartAsync(
            SimulatorOptions.Instant with { Store = store, ParallelSlots = Streams, MaxLoadedModels = Models.Length, MaxQueue = Streams, Port = 0 }, Token);
        var answers = await Task.WhenAll(Enumerable.Range(0, Streams).Select(i => AskAsync(client, server.Url, i)));
        return [.. answers.Select(a => StreamedAnswer.Parse(a.Path, a.Text))];
    }

    private static void AssertSame(StreamedAnswer expected, TimedStream stream, int number, GatewayProcess gateway)
    {
        var answer = StreamedAnswer.Parse(stream.Path, stream.Text);
        Assert.True(answer.Error is null, $"stream {number}, {stream.Path}: {answer.Error}\n{gateway.LastLines}");
        Assert.True(expected == answer, $"stream {number}, {stream.Path}:\n{expected}\n{answer}");
        Assert.Equal(1, answer.Ends);
    }

    /// <summary>The process keeps some memory of its first load; interrupted streams must not increase it.</summary>
    private async Task AssertMemoryReturnsAsync(GatewayProcess gateway, long before, long open, double objects)
    {
        using var client = Client();
        var lowest = long.MaxValue;
        try
        {
            await Eventually.BecomesAsync(
                async () =>
                {
                    // A few requests trigger a garbage collection.
                    await Task.WhenAll(Enumerable.Range(0, 16).Select(i => AskAsync(client, gateway.Url, i, tokens: 1)));
                    lowest = Math.Min(lowest, gateway.Resident);
                    // Live objects are exact. Resident memory varies by some tens of MiB, because the process keeps freed memory.
                    return lowest <= before + Math.Max(64 * Mebibyte, before / 2)
                        && await ObjectsAsync(gateway) <= (IsFull ? Math.Max(48 * Mebibyte, 1.25 * objects) : 48 * Mebibyte);
                },
                Patience);
        }
        finally
        {
            output.WriteLine($"memory (RSS) of the gateway, MiB: after as many undisturbed streams {before / Mebibyte}, with the streams {open / Mebibyte}, after {lowest / Mebibyte}");
            output.WriteLine($"of it objects at the last collection, MiB: {objects / Mebibyte:0}, then {await ObjectsAsync(gateway) / Mebibyte:0}");
        }
    }

    /// <summary>Bytes of live objects after the last garbage collection.</summary>
    private static Task<double> ObjectsAsync(GatewayProcess gateway) => gateway.MetricAsync("dotnet_gc_last_collection_heap_size", "", Token);

    private static HttpClient Client() => new(new SocketsHttpHandler { UseProxy = false }) { Timeout = Timeout.InfiniteTimeSpan };

    private static async Task<TimedStream> AskAsync(HttpClient client, Uri server, int number, int? tokens = null)
    {
        var (path, model) = Kinds[number % Kinds.Length];
        return await TimedStream.AskAsync(client, server, path, Body(path, model, number, tokens), Token);
    }

    private static byte[] Body(string path, string model, int number, int? tokens)
    {
        var body = new Dictionary<string, object> { ["model"] = model, ["stream"] = true };
        var text = $"Conversation {number}: why is the sky blue?";
        if (path is "/api/generate" or "/v1/completions")
            body["prompt"] = text;
        else
            body["messages"] = new[] { new { role = "user", content = text } };
        if (path.StartsWith("/api/", StringComparison.Ordinal))
            body["options"] = new { seed = 7, num_predict = tokens ?? 10 * Tokens };
        else
            body["max_tokens"] = tokens ?? 10 * Tokens;
        if (path.StartsWith("/v1/chat", StringComparison.Ordinal) || path == "/v1/completions")
            body["stream_options"] = new { include_usage = true };
        return JsonSerializer.SerializeToUtf8Bytes(body);
    }

    private static string At(TimeSpan[] sorted, double share) =>
        sorted[Math.Max(0, (int)Math.Ceiling(share * sorted.Length) - 1)].TotalMilliseconds.ToString("0", CultureInfo.InvariantCulture);
}

using System.Globalization;
using System.Net.Http.Json;
using Microsoft.Extensions.DependencyInjection;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Gateway.Shutdown;
using OllamaBridge.Simulator;
using OllamaBridge.Testing;

namespace OllamaBridge.Gateway.FunctionalTests.Regions;

/// <summary>Two regions, <c>a</c> and <c>b</c>, each with a real bridge in front of one server, and each the other's peer.</summary>
internal sealed class RegionFixture : IAsyncDisposable
{
    public static readonly TimeSpan SpillAfter = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan Patience = TestTimeouts.Guard;

    private RegionFixture(TestFleet here, TestFleet there, TestBridge a, TestBridge b) => (Here, There, A, B) = (here, there, a, b);

    public TestFleet Here { get; }

    public TestFleet There { get; }

    public TestBridge A { get; }

    public TestBridge B { get; }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public static Task<RegionFixture> StartAsync(int slots = 1, int slotsThere = 1, params (string Key, string Value)[] settings) =>
        StartAsync(pace: null, slots, slotsThere, settings, []);

    /// <summary>Starts both regions, and returns when each knows the other.</summary>
    public static async Task<RegionFixture> StartAsync(
        TimeSpan? pace,
        int slots,
        int slotsThere,
        (string Key, string Value)[] settings,
        (string Key, string Value)[] settingsThere,
        string[]? models = null,
        string[]? modelsThere = null,
        bool known = true)
    {
        var options = SimulatorOptions.Instant with { DecodePerToken = pace ?? TimeSpan.Zero };
        var here = await TestFleet.StartAsync(1, options with { ParallelSlots = slots }, models ?? []);
        var there = await TestFleet.StartAsync(1, options with { ParallelSlots = slotsThere }, modelsThere ?? []);
        var (portA, portB) = (RunningProcess.FreePort(), RunningProcess.FreePort());
        var a = await TestBridge.StartAsync(here.Servers, [.. Region("a", portA, "b", portB), .. settings]);
        var b = await TestBridge.StartAsync(there.Servers, [.. Region("b", portB, "a", portA), .. settingsThere]);
        var bed = new RegionFixture(here, there, a, b);
        if (known)
        {
            await a.UntilAsync(s => Peer(s, "b").IsUsable && Peer(s, "b").CatalogKnown, "a has b's state");
            await b.UntilAsync(s => Peer(s, "a").IsUsable && Peer(s, "a").CatalogKnown, "b has a's state");
        }

        return bed;
    }

    public static InstanceView Peer(FleetSnapshot snapshot, string region) => snapshot.Instances.Single(i => i.Instance.Name == region);

    /// <summary>The number of requests of an operation that a bridge has ended. A request ends after the last byte of its response, so a client
    /// may finish earlier; only zero or a lower bound can be read without waiting.</summary>
    public static int Ended(TestBridge bridge, string operation = "chat") =>
        bridge.Logs.Lines.Count(l => l.StartsWith($"Information 1302 {operation} ", StringComparison.Ordinal));

    /// <summary>Waits until one or two bridges have together ended exactly this number of requests of an operation.</summary>
    public static async Task EndAsync(string operation, int expected, params TestBridge[] bridges)
    {
        int Sum() => bridges.Sum(b => Ended(b, operation));
        await Eventually.BecomesAsync(() => Sum() >= expected, Patience);
        Assert.Equal(expected, Sum());
    }

    /// <summary>Waits until every request of these bridges has ended, accounting included.</summary>
    public static Task IdleAsync(params TestBridge[] bridges) =>
        Eventually.BecomesAsync(() => bridges.All(b => b.Services.GetRequiredService<GracefulStop>().Running == 0), Patience);

    public static string By(HttpResponseMessage answer) => answer.Headers.GetValues("X-Bridge-Instance").Single();

    /// <summary>Occupies all slots of a region's server until it is thawed.</summary>
    /// <returns>The pending responses.</returns>
    public static async Task<Task<HttpResponseMessage>[]> OccupyAsync(TestFleet fleet, TestBridge bridge)
    {
        var slots = fleet[0].Options.ParallelSlots;
        fleet[0].Faults.Add(new Fault { Kind = FaultKind.Frozen });
        var running = Enumerable.Range(0, slots).Select(i => bridge.PostAsync("/api/chat", Ask.Chat(stream: false, text: $"occupies {i}"), Token)).ToArray();
        await Eventually.BecomesAsync(() => fleet[0].Statistics.ConcurrentRequests == slots, Patience);
        return running;
    }

    public static async Task ThawAsync(TestFleet fleet, Task<HttpResponseMessage>[] running)
    {
        fleet[0].Faults.Clear();
        foreach (var answer in await Task.WhenAll(running))
            answer.Dispose();
    }

    /// <summary>Waits until the first request in a bridge's queue has waited longer than the spill-over delay.</summary>
    public static Task WaitsAsync(TestBridge bridge) => Eventually.BecomesAsync(
        () => bridge.Queue.Describe().Any(q => q.Entry.Oldest > 3 * SpillAfter), Patience);

    /// <summary>Waits until region a has the number of b's free slots, also after reports that were on their way.</summary>
    public Task UntilRoomAsync(int free)
    {
        const int Several = 100;
        var inRow = 0;
        return Eventually.BecomesAsync(
            () => (inRow = Peer(A.Fleet.Current, "b").Instance.FreeSlots(TestFleet.Model) == free ? inRow + 1 : 0) >= Several, Patience);
    }

    /// <summary>Gives both regions a model whose template matches its output.</summary>
    public void UseOneModel()
    {
        foreach (var store in new[] { Here.Store, There.Store })
        {
            store.Remove(TestFleet.Model);
            store.Add(new SimulatedModel { Name = TestFleet.Model, AnswerTokens = 12 });
        }
    }

    public Task<HttpResponseMessage> AskAsync(object body, params (string Name, string Value)[] headers) => AskAsync(A, "/api/chat", body, headers);

    public static Task<HttpResponseMessage> AskAsync(TestBridge bridge, string path, object body, params (string Name, string Value)[] headers)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = JsonContent.Create(body) };
        foreach (var (name, value) in headers)
            request.Headers.TryAddWithoutValidation(name, value);
        return bridge.Client.SendAsync(request, Token);
    }

    public async ValueTask DisposeAsync()
    {
        Here[0].Faults.Clear();
        There[0].Faults.Clear();
        await A.DisposeAsync();
        await B.DisposeAsync();
        await Here.DisposeAsync();
        await There.DisposeAsync();
    }

    private static (string Key, string Value)[] Region(string self, int port, string peer, int peersPort) =>
    [
        (TestBridge.Port, port.ToString(CultureInfo.InvariantCulture)),
        .. Knows(self, peer, new Uri($"http://127.0.0.1:{peersPort}")),
        ("Bridge:Queue:MaxWaitWithoutInstance", "00:00:00.5"),
    ];

    /// <summary>The settings of a region's bridge with one peer.</summary>
    public static (string Key, string Value)[] Knows(string self, string peer, Uri peersUrl) =>
    [
        ("Bridge:Regions:Self", self),
        ("Bridge:Regions:SpillAfter", SpillAfter.ToString()),
        ("Bridge:Regions:PollInterval", "00:00:00.050"),
        ("Bridge:Regions:Peers:0:Name", peer),
        ("Bridge:Regions:Peers:0:Url", peersUrl.ToString()),
    ];
}

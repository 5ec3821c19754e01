using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Json;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Simulator;
using OllamaBridge.Testing;

namespace OllamaBridge.Gateway.FunctionalTests.Lifecycle;

/// <summary>Gateway processes are replaced one after the other, as by a Deployment, while clients keep their connections.</summary>
[Collection(nameof(Alone))]
public sealed class RollingUpdateTests
{
    private const int Clients = 12;
    private static readonly TimeSpan Patience = TestTimeouts.Guard;

    // The time during which new connections still reach a gateway after its SIGTERM; the gateway's delay is longer.
    private static readonly TimeSpan HeardAfter = TimeSpan.FromSeconds(1);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Update_UnderLoadOverKeptConnections_NoRequestFails()
    {
        await using var fleet = await TestFleet.StartAsync(2, SimulatorOptions.Instant with { ParallelSlots = Clients, DecodePerToken = TimeSpan.FromMilliseconds(5) });
        var old = new[] { await StartAsync(fleet), await StartAsync(fleet) };
        var started = new List<GatewayProcess>();
        await using var balancer = new TcpBalancer(old.Select(g => g.Url));
        using var over = CancellationTokenSource.CreateLinkedTokenSource(Token);
        var failures = new ConcurrentQueue<string>();
        var answers = new int[Clients];
        try
        {
            var clients = Enumerable.Range(0, Clients).Select(i => AskUntilAsync(over.Token, balancer.Url, i, () => answers[i]++, failures)).ToArray();
            await Eventually.BecomesAsync(() => answers.All(a => a > 2), Patience);
            foreach (var gateway in old)
            {
                started.Add(await StartAsync(fleet));
                balancer.Add(started[^1].Url);
                gateway.Terminate();
                await Task.Delay(HeardAfter, Token);
                balancer.Remove(gateway.Url);
                Assert.Equal(0, await gateway.EndAsync());
            }

            var before = answers.ToArray();
            await Eventually.BecomesAsync(() => answers.Zip(before).All(a => a.First > a.Second + 1), Patience);
            await over.CancelAsync();
            await Task.WhenAll(clients);
        }
        finally
        {
            await over.CancelAsync();
            foreach (var gateway in old.Concat(started))
                await gateway.DisposeAsync();
        }

        Assert.Empty(failures);
    }

    /// <summary>Starts a gateway that listens and has a usable instance.</summary>
    private static async Task<GatewayProcess> StartAsync(TestFleet fleet)
    {
        var gateway = await GatewayProcess.StartAsync(
            fleet.Servers, Clients, ("Bridge:Shutdown:Delay", "00:00:03"), ("Bridge:Shutdown:GracePeriod", "00:00:30"));
        using var client = new HttpClient { BaseAddress = gateway.Url };
        await Eventually.BecomesAsync(async () =>
        {
            using var health = await client.GetAsync("/health", Token);
            return health.StatusCode == HttpStatusCode.OK;
        }, Patience);
        return gateway;
    }

    /// <summary>A client with its own connections that repeats requests; any incomplete response is a failure.</summary>
    private static async Task AskUntilAsync(CancellationToken over, Uri url, int number, Action answered, ConcurrentQueue<string> failures)
    {
        using var client = new HttpClient(new SocketsHttpHandler { UseProxy = false }) { BaseAddress = url, Timeout = Patience };
        for (var i = 0; !over.IsCancellationRequested; i++)
        {
            try
            {
                using var answer = await client.PostAsJsonAsync("/api/chat", Ask.Chat(stream: (i + number) % 2 == 0, tokens: 10), Token);
                var text = await answer.Content.ReadAsStringAsync(Token);
                if (answer.StatusCode != HttpStatusCode.OK || !text.Contains("\"done\":true", StringComparison.Ordinal))
                    failures.Enqueue($"client {number}, request {i}: {(int)answer.StatusCode} {text[^Math.Min(200, text.Length)..]}");
                answered();
            }
            catch (HttpRequestException e)
            {
                failures.Enqueue($"client {number}, request {i}: {e.Message} {e.InnerException?.Message}");
            }
        }
    }
}

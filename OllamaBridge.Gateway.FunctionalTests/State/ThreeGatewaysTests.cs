using System.Net;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Simulator;
using OllamaBridge.Testing;

namespace OllamaBridge.Gateway.FunctionalTests.State;

/// <summary>Three gateway processes with shared state over four servers under load, while parts of them are killed. Not parallel: uses the whole machine.</summary>
[Collection(nameof(Alone))]
public sealed class ThreeGatewaysTests(ITestOutputHelper output)
{
    private const int Gateways = 3;
    private const int Slots = 8;
    private const int AllSlots = 4 * Slots;
    private const double Rate = 500;
    private const int Burst = 4 * AllSlots;
    // Only a failed test or a very busy machine reaches this time.
    private static readonly TimeSpan Patience = TestTimeouts.Guard;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public Task Load_GatewayAndRedisKilled_SlotsRespectedAndOthersServe() => RunAsync(async port =>
    {
        var redis = await RunningRedis.StartAsync(port);
        return (redis.Port, redis);
    });

    [Fact]
    public Task Load_GatewayAndStateServerKilled_SlotsRespectedAndOthersServe() => RunAsync(async port =>
    {
        var at = port ?? RunningProcess.FreePort();
        var (process, _) = await RunningProcess.StartDotnetAsync(
            "OllamaBridge.StateServer.dll", ["--port", $"{at}"], line => line.Contains("Serving the Redis protocol", StringComparison.Ordinal));
        return (at, process);
    });

    private async Task RunAsync(Func<int?, Task<(int Port, IAsyncDisposable Process)>> startState)
    {
        var (port, state) = await startState(null);
        var together = new SharedConcurrency();
        await using var fleet = await TestFleet.StartAsync(4, SimulatorOptions.Instant with
        {
            // More slots than the gateways know of, so requests never wait in the servers.
            ParallelSlots = 4 * AllSlots,
            DecodePerToken = TimeSpan.FromMilliseconds(8),
            SeenCapacity = 0,
            Together = together,
        });
        var all = await Task.WhenAll(Enumerable.Range(0, Gateways).Select(_ => GatewayProcess.StartAsync(
            fleet.Servers,
            Slots,
            ("Bridge:State:ConnectionString", $"127.0.0.1:{port}"),
            // The state is probed more often, so that a busy machine recovers from a missed time-out.
            ("Bridge:State:ProbeInterval", "00:00:00.1"),
            ("Bridge:Queue:Length", "20000"))));
        var (doomed, one, other) = (all[0], all[1], all[2]);
        GatewayProcess[] living = [one, other];
        OpenLoad? load = null;
        try
        {
            await SumAsync(Slots, all);
            // Every server has the model in memory, so only slots affect the choice.
            foreach (var server in fleet.Servers)
                await WarmAsync(server);

            load = new OpenLoad(Rate, all);
            await load.AnsweredAsync((int)(3 * Rate), Patience, Burst);
            AssertSlots(together.TakePeak(), Gateways, "with three gateways");
            var shares = fleet.Servers.Select(s => (double)s.Statistics.Requests / fleet.Sum(all => all.Requests)).ToArray();
            Assert.All(shares, share => Assert.InRange(share, 0.12, 0.45)); // about a quarter each

            load.GoTo(living);
            await doomed.KillAsync();
            await SumAsync(Slots, living); // the other gateways got the slots of the killed one
            await load.AnsweredAsync((int)Rate, Patience, Burst);
            AssertSlots(together.TakePeak(), Gateways, "while and after a gateway died");

            await state.DisposeAsync();
            // Without peer state each gateway has an even share.
            await BecomesAsync(g => g.Allowance.All(a => a == Slots / 2) && g.Elsewhere.All(e => e == 0), living);
            // A gateway with more than that returns the last excess slots.
            await load.AnsweredAsync(2 * AllSlots, Patience);
            output.WriteLine($"{together.TakePeak()} concurrent requests until each gateway had its even share");
            await load.AnsweredAsync((int)Rate, Patience, Burst);
            AssertSlots(together.TakePeak(), living.Length, "without shared state");

            (_, state) = await startState(port);
            await BecomesAsync(g => g.Elsewhere.Any(e => e > 0), living); // they exchange their state again
            await load.AnsweredAsync((int)Rate, Patience, Burst);
            await SumAsync(Slots, living);
            AssertSlots(together.TakePeak(), living.Length, "with the state back");

            await load.StopAsync();
            output.WriteLine($"{load.Started} requests, {load.Reached:F0} a second of {Rate} wanted; spread {string.Join(' ', shares.Select(x => $"{x:P0}"))}");
            Assert.True(load.Failures.Count == 0, $"{load.Failures.Count} of {load.Started}: {load.Failures.FirstOrDefault()}\n{one.LastLines}\n{other.LastLines}");
            Assert.Equal(load.Started, load.Ended);
        }
        finally
        {
            if (load is not null)
                await load.DisposeAsync();
            foreach (var gateway in all)
                await gateway.DisposeAsync();
            await state.DisposeAsync();
        }
    }

    /// <summary>The slots, and one more for each gateway, which may take a slot while it gives another up.</summary>
    private void AssertSlots(int peak, int gateways, string when)
    {
        output.WriteLine($"{peak} requests at once {when}");
        Assert.True(peak <= AllSlots + gateways, $"{peak} at once {when}");
    }

    /// <summary>Waits until the gateways' shares of each instance add up to a number.</summary>
    private static Task SumAsync(int slots, params GatewayProcess[] gateways) => Eventually.BecomesAsync(
        async () =>
        {
            var allowances = await Task.WhenAll(gateways.Select(g => g.InstancesAsync("allowance", Token)));
            return Enumerable.Range(0, 4).All(i => allowances.Sum(a => a[i]) == slots);
        },
        Patience);

    private static Task BecomesAsync(Func<(int[] Allowance, int[] Elsewhere), bool> holds, params GatewayProcess[] gateways) => Eventually.BecomesAsync(
        async () =>
        {
            var seen = await Task.WhenAll(gateways.Select(async g => (await g.InstancesAsync("allowance", Token), await g.InstancesAsync("usedElsewhere", Token))));
            return seen.All(holds);
        },
        Patience);

    private static async Task WarmAsync(SimulatedServer server)
    {
        using var client = new HttpClient { BaseAddress = server.Url };
        using var answer = await client.PostAsync("/api/generate", new StringContent($$"""{"model":"{{TestFleet.Model}}","stream":false}"""), Token);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
    }
}

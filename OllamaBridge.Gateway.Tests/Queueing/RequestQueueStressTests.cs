using OllamaBridge.Gateway.Queueing;
using OllamaBridge.Testing;
using OllamaBridge.Testing.Fleet;
using OllamaBridge.Testing.Queueing;

namespace OllamaBridge.Gateway.Tests.Queueing;

public class RequestQueueStressTests
{
    private static readonly TimeSpan Guard = TestTimeouts.Guard;

    [Fact]
    public async Task Acquire_ManyClients_LeasesWithinSlotsAndNoneLost()
    {
        const int Clients = 64;
        const int Rounds = 200;
        // All models are in memory, so no model change is needed and the frozen clock starves no request.
        using var harness = new QueueHarness(new FleetBuilder()
            .With("i", "a b", loaded: "a b", slots: 2, capacity: 2)
            .With("j", "a b", loaded: "a b", slots: 1, capacity: 2)
            .With("k", "b", loaded: "b", slots: 3, capacity: 2));
        var held = new System.Collections.Concurrent.ConcurrentDictionary<string, int>();
        int served = 0, gone = 0, tooMany = 0;

        await Task.WhenAll(Enumerable.Range(0, Clients).Select(client => Task.Run(async () =>
        {
            var random = new Random(client);
            for (var round = 0; round < Rounds; round++)
            {
                using var leave = new CancellationTokenSource();
                var asked = harness.AskUntil(leave.Token, random.Next(2) == 0 ? "a" : "b");
                if (random.Next(10) == 0)
                    await leave.CancelAsync();
                LeaseResult result;
                try
                {
                    result = await asked;
                }
                catch (OperationCanceledException)
                {
                    Interlocked.Increment(ref gone);
                    continue;
                }

                using var lease = Assert.IsType<Gateway.Scheduling.InstanceLease>(result.Lease);
                var name = lease.Instance.Name;
                if (held.AddOrUpdate(name, 1, (_, n) => n + 1) > lease.Instance.Slots)
                    Interlocked.Increment(ref tooMany);
                if (random.Next(3) == 0)
                    await Task.Yield();
                held.AddOrUpdate(name, 0, (_, n) => n - 1);
                Interlocked.Increment(ref served);
            }
        }))).WaitAsync(Guard, TestContext.Current.CancellationToken);

        Assert.Equal(0, tooMany);
        Assert.Equal(Clients * Rounds, served + gone);
        Assert.True(served > Clients * Rounds / 2);
        Assert.Equal(0, harness.Queue.Count);
        Assert.Equal((0, 0), (harness.Waiting("a"), harness.Waiting("b")));
        Assert.All(harness.Fleet.Current.Instances, v => Assert.Equal(0, v.Instance.SlotsUsed));
        Assert.All(harness.Fleet.Current.Models.Values.SelectMany(m => m.Placements), p => Assert.Equal(0, p.State.Active));
    }
}

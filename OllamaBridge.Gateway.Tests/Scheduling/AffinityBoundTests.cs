using FsCheck;
using FsCheck.Fluent;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Queueing;
using OllamaBridge.Gateway.Scheduling;
using OllamaBridge.Gateway.Scheduling.Scorers;
using OllamaBridge.Testing.Fleet;
using OllamaBridge.Testing.Queueing;
using OllamaBridge.Testing.Scheduling;

namespace OllamaBridge.Gateway.Tests.Scheduling;

/// <summary>Affinity, bounded by the load and weighted by the saved prefill time.</summary>
public class AffinityBoundTests
{
    [Fact]
    public void Acquire_FortyRequestsWithOnePrefix_SpreadOverAllInstances()
    {
        using var queue = new QueueHarness(Fleet(3, slots: 40));
        for (var i = 1; i <= 40; i++)
        {
            Acquire(queue, affinity: 7);
            var used = Used(queue);
            // One request above the bound on the conversation's last instance, and the current request.
            Assert.InRange(used.Max(), 0, (AffinityScorer.Factor * used.Average()) + 3);
        }

        Assert.True(Used(queue).Min() >= 8, string.Join(' ', Used(queue)));
    }

    [Fact]
    public void Score_AnyLoads_NeverExceedsBound()
    {
        Prop.ForAll(Gen.Choose(0, 20).ListOf(6).ToArbitrary(), Gen.Choose(1, 1000).ToArbitrary(), (loads, affinity) =>
        {
            var fleet = Fleet(6, slots: 20);
            for (var i = 0; i < loads.Count; i++)
                for (var taken = 0; taken < loads[i]; taken++)
                    fleet[$"i{i}"].TryTakeSlot();
            var scores = Deciding.Score(new AffinityScorer(), Deciding.For(fleet, affinity: (ulong)affinity));
            var chosen = Array.FindIndex(scores, s => s > 0);
            Assert.Single(scores, s => s > 0);
            Assert.True(loads[chosen] <= (AffinityScorer.Factor * loads.Average()) + 1 + 0.01, $"{loads[chosen]} of {string.Join(' ', loads)}");
        }).Check(Config.QuickThrowOnFailure.WithQuietOnSuccess(true));
    }

    [Fact]
    public void Score_LastInstanceWithinBound_PreferredElseHash()
    {
        var fleet = Fleet(4, slots: 8);
        var request = Deciding.For(fleet, affinity: 11);
        var hashed = Chosen(request);
        var other = Enumerable.Range(0, 4).First(i => i != hashed);
        var placed = request with { Place = fleet[$"i{other}"].Seed };
        Assert.Equal(other, Chosen(placed));
        // Two requests against a mean of one half: a cached prefix allows one request above the bound, not two.
        fleet[$"i{other}"].TryTakeSlot();
        fleet[$"i{other}"].TryTakeSlot();
        Assert.Equal(other, Chosen(placed));
        fleet[$"i{other}"].TryTakeSlot();
        Assert.Equal(hashed, Chosen(placed));
        Assert.Equal(hashed, Chosen(request with { Place = 12345 })); // an instance that has left
    }

    [Fact]
    public void Score_MorePrefillSaved_Higher()
    {
        var fleet = Fleet(1, slots: 8);
        fleet.Placement("i0").State.AddTimeToFirstToken(0.5, bytes: 1000); // 0.5 ms per byte
        float Of(long bytes) => Deciding.Score(new AffinityScorer(), Deciding.For(fleet, affinity: 3) with { Bytes = bytes })[0];
        Assert.Equal(1f, Of(0)); // unknown saving
        Assert.InRange(Of(1), 0.5f, 0.51f);
        Assert.Equal(0.75f, Of(200), 2); // a saving of 0.1 s counts half
        Assert.True(Of(200) < Of(2000) && Of(2000) < Of(200_000));
        Assert.InRange(Of(10_000_000), 0.99f, 1f);
    }

    [Theory]
    [InlineData("/api/embed", """{"model":"a","input":["one","two"]}""")]
    [InlineData("/api/embeddings", """{"model":"a","prompt":"one"}""")]
    [InlineData("/v1/embeddings", """{"model":"a","input":"one"}""")]
    public void Inspect_Embeddings_NoAffinity(string path, string body) =>
        Assert.Equal(0ul, RequestInspector.Inspect(new(System.Text.Encoding.UTF8.GetBytes(body)), OperationTable.Find(path, out _)!).Affinity);

    [Theory]
    [InlineData(3, 0.4)]
    [InlineData(4, 0.3)]
    [InlineData(8, 0.3)]
    [InlineData(8, 0.7)]
    public void Acquire_MultiTurnTrace_KeepsAtLeast95PercentOfHits(int instances, double load)
    {
        const int Slots = 16;
        var random = new Random(42);
        using var queue = new QueueHarness(Fleet(instances, Slots));
        // Conversations of several turns arrive at random, as in the Mooncake trace. A turn takes some time, and the next turn follows after a pause.
        var events = new PriorityQueue<(int Conversation, int Turn, InstanceLease? Ends), double>();
        var at = 0.0;
        const double Service = 8;
        const int Turns = 5;
        for (var conversation = 0; conversation < 1500; conversation++)
        {
            at += -Math.Log(1 - random.NextDouble()) * Service * Turns / (load * instances * Slots);
            events.Enqueue((conversation, 0, null), at);
        }

        var last = new Dictionary<int, string>();
        var (hits, later) = (0, 0);
        while (events.TryDequeue(out var next, out at))
        {
            if (next.Ends is { } ended)
            {
                ended.Dispose();
                continue;
            }

            var lease = Acquire(queue, (ulong)next.Conversation + 1);
            if (last.TryGetValue(next.Conversation, out var before))
            {
                later++;
                hits += lease.Instance.Name == before ? 1 : 0;
            }

            last[next.Conversation] = lease.Instance.Name;
            var end = at - (Math.Log(1 - random.NextDouble()) * Service);
            events.Enqueue((next.Conversation, next.Turn, lease), end);
            if (next.Turn + 1 < Turns)
                events.Enqueue((next.Conversation, next.Turn + 1, null), end + 1 + (random.NextDouble() * 60));
        }

        // Without a bound, every later turn would hit as long as a slot is free.
        Assert.True(hits >= 0.95 * later, $"{hits} of {later}");
    }

    [Fact]
    public void Places_ManyConversations_FoundOrForgottenNeverConfused()
    {
        var places = new ConversationAffinity();
        var fleet = Fleet(8, slots: 1);
        var random = new Random(5);
        var noted = new Dictionary<ulong, Instance>();
        for (var i = 0; i < 20_000; i++)
        {
            var affinity = (ulong)random.NextInt64(1, long.MaxValue);
            var instance = fleet[$"i{i % 8}"];
            places.Note(affinity, "a", instance);
            noted[affinity] = instance;
        }

        Assert.True(noted.Count(n => places.Find(n.Key, "a") == n.Value.Seed) > 16_000);
        Assert.All(noted, n => Assert.True(places.Find(n.Key, "a") is null || places.Find(n.Key, "a") == n.Value.Seed));
        Assert.Null(places.Find(0, "a"));
        Assert.True(noted.Count(n => places.Find(n.Key, "b") is not null) < 5);
    }

    private static InstanceLease Acquire(QueueHarness queue, ulong affinity) =>
        QueueHarness.Got(queue.Queue.AcquireAsync(QueueHarness.Request("a:latest") with { Conversation = new ConversationHints(affinity) }, CancellationToken.None).AsTask());

    private static int Chosen(in SchedulingRequest request) => Array.FindIndex(Deciding.Score(new AffinityScorer(), request), s => s > 0);

    private static int[] Used(QueueHarness queue) => [.. queue.Fleet.Current.Instances.Select(v => v.Instance.SlotsUsed)];

    private static FleetBuilder Fleet(int count, int slots)
    {
        var fleet = new FleetBuilder();
        for (var i = 0; i < count; i++)
            fleet.With($"i{i}", loaded: "a", slots: slots);
        fleet.Build();
        return fleet;
    }
}

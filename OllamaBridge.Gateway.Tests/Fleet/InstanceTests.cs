using OllamaBridge.Gateway.Discovery;
using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Tests.Fleet;

public class InstanceTests
{
    private const int Threads = 4;

    [Fact]
    public void TryTakeSlot_ManyThreads_NeverMoreThanSlots()
    {
        var instance = Make(slots: 3);
        int taken = 0, most = 0, total = 0;
        InParallel(() =>
        {
            for (var i = 0; i < 20_000; i++)
            {
                if (!instance.TryTakeSlot())
                    continue;
                var now = Interlocked.Increment(ref taken);
                for (var seen = Volatile.Read(ref most); now > seen; seen = Volatile.Read(ref most))
                    Interlocked.CompareExchange(ref most, now, seen);
                Interlocked.Increment(ref total);
                Interlocked.Decrement(ref taken);
                instance.ReturnSlot();
            }
        });

        Assert.InRange(most, 1, 3);
        Assert.True(total > 1000);
        Assert.Equal(0, instance.SlotsUsed);
    }

    [Fact]
    public void Configure_FewerSlotsThanUsed_SurplusReturned()
    {
        var instance = Make(slots: 2);
        Assert.True(instance.TryTakeSlot());
        Assert.True(instance.TryTakeSlot());
        instance.Configure(new InstanceDefinition("i", instance.Url, 1, 0));
        instance.ReturnSlot();
        Assert.False(instance.TryTakeSlot());
        instance.ReturnSlot();
        Assert.True(instance.TryTakeSlot());
    }

    [Theory]
    [InlineData("http://a:1", "http://a:1")]
    [InlineData("http://a:1/", "http://a:1")]
    [InlineData("https://a/base/", "https://a/base")]
    public void Prefix_HasNoTrailingSlash(string url, string prefix) =>
        Assert.Equal(prefix, new Instance(new InstanceDefinition("i", new Uri(url), 1, 0)).Prefix);

    [Fact]
    public void Seed_BelongsToTheName()
    {
        Assert.Equal(Make("a").Seed, Make("a").Seed);
        Assert.NotEqual(Make("a").Seed, Make("b").Seed);
    }

    [Fact]
    public void ClearRequestFailures_TrueOnceAfterARow()
    {
        var instance = Make();
        Assert.False(instance.ClearRequestFailures());
        Assert.Equal(1, instance.CountRequestFailure());
        Assert.Equal(2, instance.CountRequestFailure());
        Assert.True(instance.ClearRequestFailures());
        Assert.False(instance.ClearRequestFailures());
        Assert.Equal(1, instance.CountRequestFailure());
    }

    [Fact]
    public void Capacity_ObservedGrowsConfiguredWins()
    {
        var instance = Make();
        Assert.Equal(1, instance.Capacity);
        instance.ObserveLoadedCount(3);
        instance.ObserveLoadedCount(2);
        Assert.Equal(3, instance.Capacity);
        instance.Configure(new InstanceDefinition("i", instance.Url, 1, 2));
        Assert.Equal(2, instance.Capacity);
    }

    [Fact]
    public void AssumeLoading_MemoryFull_LeastRecentlyUsedIdleEvicted()
    {
        var (instance, a, b, c) = ThreeModels(capacity: 2);
        Use(a, 10);
        Use(b, 20);

        instance.AssumeLoading(c, 30);

        Assert.False(a.IsResident);
        Assert.True(b.IsResident);
        Assert.True(c.IsResident);
        Assert.Equal((0, 1, 1), (a.Model.Copies, b.Model.Copies, c.Model.Copies));
    }

    [Fact]
    public void AssumeLoading_OldestInUse_IdleEvicted()
    {
        var (instance, a, b, c) = ThreeModels(capacity: 2);
        Use(a, 10);
        a.Enter(11);
        Use(b, 20);

        instance.AssumeLoading(c, 30);

        Assert.True(a.IsResident);
        Assert.False(b.IsResident);
    }

    [Fact]
    public void AssumeLoading_AllInUse_OldestEvictedAfterItsRequests()
    {
        var (instance, a, b, c) = ThreeModels(capacity: 2);
        Use(a, 1);
        a.Enter(2);
        Use(b, 1);
        b.Enter(3);

        instance.AssumeLoading(c, 4);
        a.Leave(5, answered: true);

        // The model was loaded for the response, but the next request would need a reload.
        Assert.Equal((false, true, true), (a.IsResident, b.IsResident, c.IsResident));
        Assert.Equal(2, instance.Residents);
    }

    [Fact]
    public void AssumeLoading_CapacityLeft_NoEviction()
    {
        var (instance, a, b, c) = ThreeModels(capacity: 3);
        Use(a, 1);
        Use(b, 2);
        instance.AssumeLoading(c, 3);
        Assert.Equal(3, instance.Residents);
    }

    [Fact]
    public void AssumeLoading_NotYetInMemory_ResidentButNotLoaded()
    {
        var (instance, a, _, _) = ThreeModels(capacity: 1);
        instance.AssumeLoading(a, 1);
        Assert.True(a.IsResident);
        Assert.False(a.IsLoaded); // further requests also wait for the load
        a.Enter(1);
        a.Leave(2, answered: true);
        Assert.True(a.IsLoaded);
    }

    private static void Use(PlacementState state, long now)
    {
        state.AssumeLoading(now);
        state.Enter(now);
        state.Leave(now, answered: true);
    }

    private static (Instance Instance, PlacementState A, PlacementState B, PlacementState C) ThreeModels(int capacity)
    {
        var instance = Make(capacity: capacity);
        PlacementState a = new(new ModelState("a"), instance), b = new(new ModelState("b"), instance), c = new(new ModelState("c"), instance);
        instance.SetPlacements([a, b, c]);
        return (instance, a, b, c);
    }

    private static Instance Make(string name = "i", int slots = 1, int capacity = 0) =>
        new(new InstanceDefinition(name, new Uri("http://i"), slots, capacity));

    private static void InParallel(ThreadStart work)
    {
        var threads = Enumerable.Range(0, Threads).Select(_ => new Thread(work)).ToArray();
        foreach (var thread in threads)
            thread.Start();
        foreach (var thread in threads)
            thread.Join();
    }
}

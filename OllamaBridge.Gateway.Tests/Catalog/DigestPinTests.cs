using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Queueing;
using OllamaBridge.Gateway.Scheduling;
using OllamaBridge.Testing.Fleet;
using OllamaBridge.Testing.Queueing;

namespace OllamaBridge.Gateway.Tests.Catalog;

/// <summary>Scheduling, hedges, failover and resumption keep to one digest.</summary>
public sealed class DigestPinTests : IDisposable
{
    private readonly QueueHarness _queue = new(Builder());

    public void Dispose() => _queue.Dispose();

    [Fact]
    public void Acquire_TwoDigests_OnlyInstancesWithServedDigest()
    {
        var chosen = Enumerable.Range(0, 6).Select(_ => Got(Request()).Instance.Name).ToHashSet();
        Assert.Equal(["new1", "new2"], chosen.Order());
    }

    [Theory]
    [InlineData("old", "old1")]
    [InlineData("new", null)]
    public void Acquire_ResponseStartedWithDigest_ResumedWithSameDigest(string digest, string? expected)
    {
        var lease = Got(Request(digest));
        Assert.Equal(digest, lease.Placement.Digest);
        Assert.True(expected is null || lease.Instance.Name == expected);
    }

    [Fact]
    public async Task Acquire_DigestGone_RefusedImmediately()
    {
        var result = await _queue.Queue.AcquireAsync(Request("gone"), CancellationToken.None);
        Assert.Equal(LeaseRefusal.AllTried, result.Refusal);
        // An instance without a known digest must not resume a response with a known digest.
        Assert.Equal(LeaseRefusal.AllTried, (await _queue.Queue.AcquireAsync(Request(null, isSet: true), CancellationToken.None)).Refusal);
    }

    [Fact]
    public async Task Acquire_LastInstanceOfDigestLeavesWhileWaiting_Refused()
    {
        var held = Enumerable.Range(0, 4).Select(_ => Got(Request("old"))).ToArray();
        var waiting = _queue.Queue.AcquireAsync(Request("old"), CancellationToken.None).AsTask();
        Assert.False(waiting.IsCompleted);
        _queue.Change("old1", v => v with { Catalog = [.. v.Catalog.Select(m => m with { Digest = "new" })] });
        Assert.Equal(LeaseRefusal.AllTried, (await waiting.WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken)).Refusal);
        foreach (var lease in held)
            lease.Dispose();
    }

    [Theory]
    [InlineData("new", "new2")]
    [InlineData("old", null)]
    public void Hedge_FirstLeaseHasDigest_SecondHasSameDigest(string digest, string? expected)
    {
        var first = _queue.Fleet.Current.Instances.First(v => v.Instance.Name == digest + "1").Instance;
        var second = _queue.Queue.TryHedge(Request(digest) with { Instances = new InstanceRules { Tried = [first] } });
        Assert.Equal(expected, second?.Instance.Name);
    }

    private static InstanceLease Got(Task<LeaseResult> asked) => QueueHarness.Got(asked);

    private InstanceLease Got(LeaseRequest request) => Got(_queue.Queue.AcquireAsync(request, CancellationToken.None).AsTask());

    private static LeaseRequest Request() => QueueHarness.Request("a:latest");

    private static LeaseRequest Request(string? digest, bool isSet = true) => Request() with { Model = new ModelSelector("a:latest", Digest: new DigestPin(isSet, digest)) };

    private static FleetBuilder Builder()
    {
        var fleet = new FleetBuilder();
        foreach (var (name, digest, age) in (ReadOnlySpan<(string, string, int)>)[("old1", "old", 0), ("new1", "new", 5), ("new2", "new", 4)])
            fleet.With(name, loaded: "a", slots: 4).Change(name, v => v with { Catalog = [FleetBuilder.Model("a", FleetBuilder.Day.AddMinutes(age)) with { Digest = digest }] });
        return fleet;
    }
}

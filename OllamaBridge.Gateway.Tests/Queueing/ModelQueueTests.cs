using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Queueing;
using OllamaBridge.Gateway.Tenants;
using OllamaBridge.Testing.Fleet;
using OllamaBridge.Testing.Queueing;

namespace OllamaBridge.Gateway.Tests.Queueing;

public sealed class ModelQueueTests
{
    private static readonly Tenant One = new() { Id = "one" };
    private static readonly Tenant Two = new() { Id = "two" };
    private readonly ModelQueue _queue = new(new QueueKey(FleetBuilder.Key("a")));
    private readonly ModelState _model = new FleetBuilder().With("i").Build().Models[FleetBuilder.Key("a")].State;
    private long _order;

    [Fact]
    public void Choose_TenantsOfOnePriority_SmallestCounterFirst()
    {
        _queue[Priority.Interactive].Counters.Admit("one", cost: 5, perAnswerToken: 0, out _);
        var (first, second) = (Add(One), Add(Two));
        // A new tenant starts at the level of the others, so the counters are equal and the earlier request is next.
        _queue.Choose();
        Assert.Same(first, _queue.Next);
        first.Line!.Tokens.Value += 1;
        _queue.Choose();
        Assert.Same(second, _queue.Next);
    }

    [Fact]
    public void Choose_OneTenant_InOrderOfArrival()
    {
        var (first, second) = (Add(One), Add(One));
        _queue.Choose();
        Assert.Same(first, _queue.Next);
        _queue.Remove(first);
        _queue.Choose();
        Assert.Same(second, _queue.Next);
        _queue.Remove(second);
        _queue.Choose();
        Assert.Null(_queue.Next);
        Assert.Equal(0, _queue.Count);
    }

    [Fact]
    public void Choose_BothClasses_InteractiveFirst()
    {
        var (batch, interactive) = (Add(One, Priority.Batch), Add(One));
        _queue.Choose();
        Assert.Same(interactive, _queue.Next);
        _queue.Remove(interactive);
        _queue.Choose();
        Assert.Same(batch, _queue.Next);
    }

    [Fact]
    public void Add_RetriesAndLookups_InFrontWithRetriesFirst()
    {
        Add(One);
        var lookup = Add(One, needsSlot: false);
        var (retry, later) = (Add(One, tried: []), Add(Two, tried: []));
        Assert.Equal([retry, later, lookup], _queue.Front);
        Assert.Same(retry, _queue.First);
        Assert.Null(retry.Line);
        Assert.Equal(4, _queue.Count);
    }

    [Fact]
    public void Position_Line_CountsFrontOwnLineAndHigherClass()
    {
        var first = Add(One);
        var second = Add(One);
        Assert.Equal((1, 2, 3), (_queue.Position(One, Priority.Interactive, first), _queue.Position(One, Priority.Interactive, second), _queue.Position(One, Priority.Interactive)));
        var retry = Add(Two, tried: []);
        Assert.Equal((1, 2), (_queue.Position(Two, Priority.Interactive, retry), _queue.Position(One, Priority.Interactive, first)));
        Assert.Equal(4, _queue.Position(Two, Priority.Batch));
    }

    [Fact]
    public void Promote_OldBatchRequests_MoveToTheirTenantsInteractiveLine()
    {
        var (old, young) = (Add(One, Priority.Batch, since: 10), Add(One, Priority.Batch, since: 20));
        _queue.Promote(before: 15);
        Assert.Equal((Priority.Interactive, Priority.Batch), (old.Class, young.Class));
        Assert.Equal((1, 1), (_queue[Priority.Interactive].Count, _queue[Priority.Batch].Count));
        Assert.Equal(1, old.Line!.Tokens.Waiting);
        Assert.Equal(1, young.Line!.Tokens.Waiting);
        Assert.NotSame(old.Line.Tokens, young.Line.Tokens);
    }

    [Theory]
    [InlineData(2.0, 2.0)]
    [InlineData(0.0, 1.0)]
    [InlineData(-1.0, 1.0)]
    [InlineData(double.NaN, 1.0)]
    [InlineData(double.PositiveInfinity, 1.0)]
    public void Weight_Tenant_PositiveAndFinite(double weight, double expected) => Assert.Equal(expected, ClassQueue.Weight(One with { Weight = weight }));

    private Waiter Add(Tenant tenant, Priority priority = Priority.Interactive, Instance[]? tried = null, bool needsSlot = true, long since = 1)
    {
        var request = QueueHarness.Request(FleetBuilder.Key("a")) with
        {
            NeedsSlot = needsSlot,
            Owner = new LeaseOwner { Tenant = tenant, Priority = priority },
            Instances = new InstanceRules { Tried = tried },
        };
        var waiter = new Waiter(request, _queue, _model, since, ++_order);
        _queue.Add(waiter);
        return waiter;
    }
}

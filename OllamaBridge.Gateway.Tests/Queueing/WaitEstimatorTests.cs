using OllamaBridge.Gateway.Queueing;
using OllamaBridge.Testing.Fleet;

namespace OllamaBridge.Gateway.Tests.Queueing;

public sealed class WaitEstimatorTests
{
    private readonly FakeFleet _fleet = new();
    private readonly WaitEstimator _estimates;
    private readonly ModelQueue _queue = new(new QueueKey(FleetBuilder.Key("a")));

    public WaitEstimatorTests()
    {
        _fleet.Publish(new FleetBuilder().With("i", "a", slots: 2).With("j", "b", slots: 3).WithPeer("us", slots: 16).Build());
        _estimates = new WaitEstimator(_fleet);
    }

    [Fact]
    public void WaitAt_NoServiceTime_Unknown() => Assert.Null(_estimates.WaitAt(_queue, 1));

    [Fact]
    public void WaitAt_ServiceOfOtherModels_UsesIt()
    {
        _estimates.RecordService(TimeSpan.FromSeconds(10), null);
        // Over the two slots of the model's own instances: peers don't count.
        Assert.Equal(TimeSpan.FromSeconds(10 * 3 / 2.0), _estimates.WaitAt(_queue, 3));
    }

    [Fact]
    public void WaitAt_ServiceOfModel_BeforeThatOfOthers()
    {
        _estimates.RecordService(TimeSpan.FromSeconds(2), _queue);
        _estimates.RecordService(TimeSpan.FromSeconds(1000), null);
        Assert.Equal(TimeSpan.FromSeconds(2 * 3 / 2.0), _estimates.WaitAt(_queue, 3));
    }

    [Fact]
    public void WaitAt_NoInstance_Unknown()
    {
        _estimates.RecordService(TimeSpan.FromSeconds(10), null);
        Assert.Null(_estimates.WaitAt(new ModelQueue(new QueueKey(FleetBuilder.Key("c"))), 1));
    }

    [Fact]
    public void WaitAt_VeryLong_CutToADay()
    {
        _estimates.RecordService(TimeSpan.FromHours(10), _queue);
        Assert.Equal(TimeSpan.FromDays(1), _estimates.WaitAt(_queue, 1000));
    }

    [Theory]
    [InlineData(null, 100, 1)]
    [InlineData(10.0, 4, 10)] // five requests at 10 s each over all five slots
    [InlineData(0.001, 0, 1)]
    [InlineData(10.0, 1000, 60)]
    public void RetryAfter_ServiceTime_OverSlotsOfFleetWithinBounds(double? service, int waiting, double expected)
    {
        if (service is { } seconds)
            _estimates.RecordService(TimeSpan.FromSeconds(seconds), null);
        Assert.Equal(TimeSpan.FromSeconds(expected), _estimates.RetryAfter(waiting));
    }
}

using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Queueing;
using OllamaBridge.Gateway.Shutdown;
using OllamaBridge.Gateway.Tenants;
using OllamaBridge.Testing.Fleet;
using OllamaBridge.Testing.Queueing;

namespace OllamaBridge.Gateway.Tests.Queueing;

public sealed class RefusalFactoryTests
{
    private static readonly Tenant Team = new() { Id = "team" };
    private readonly FakeFleet _fleet = new();
    private readonly FleetBuilder _builder = new FleetBuilder().With("i");
    private readonly ModelQueues _queues = new();
    private readonly WaitEstimator _estimates;
    private readonly RefusalFactory _refusals;

    public RefusalFactoryTests()
    {
        _fleet.Publish(_builder.Build());
        _estimates = new WaitEstimator(_fleet);
        _estimates.RecordService(TimeSpan.FromSeconds(4), null);
        _refusals = new RefusalFactory(_queues, _estimates);
    }

    [Theory]
    [InlineData("b", false, LeaseRefusal.UnknownModel)]
    [InlineData("a", true, LeaseRefusal.AllTried)] // no instance has the digest that began the response
    [InlineData("", false, LeaseRefusal.NotServed)]
    public void WithoutModel_Requests_Reason(string model, bool isOtherDigest, object expected) => Assert.Equal(
        (LeaseRefusal)expected, _refusals.WithoutModel(QueueHarness.Request(model.Length == 0 ? "" : FleetBuilder.Key(model)), _fleet.Current, isOtherDigest).Refusal);

    [Fact]
    public void WithoutModel_NoInstances_RetriesAfterFiveSeconds()
    {
        var result = _refusals.WithoutModel(QueueHarness.Request("a:latest"), FleetSnapshot.Empty, isOtherDigest: false);
        Assert.Equal((LeaseRefusal.NoInstances, TimeSpan.FromSeconds(5)), (result.Refusal, result.RetryAfter));
    }

    [Fact]
    public void WithoutModel_NoCatalogKnown_NoneHealthy()
    {
        var fleet = _builder.Change("i", v => v with { Status = InstanceStatus.Unhealthy, CatalogKnown = false, Catalog = [] }).Build();
        Assert.Equal(LeaseRefusal.NoneHealthy, _refusals.WithoutModel(QueueHarness.Request("a:latest"), fleet, isOtherDigest: false).Refusal);
    }

    [Theory]
    [InlineData(LeaseRefusal.NoInstances, 5)]
    [InlineData(LeaseRefusal.UnknownModel, 0)]
    [InlineData(LeaseRefusal.NotServed, 0)]
    [InlineData(LeaseRefusal.AllTried, 0)]
    [InlineData(LeaseRefusal.FallbackPreferred, 0)]
    [InlineData(LeaseRefusal.QueueFull, 4)] // the estimate
    [InlineData(LeaseRefusal.NoneHealthy, 4)]
    public void Create_Refusal_RetryAfter(object refusal, double seconds)
    {
        var result = _refusals.Create((LeaseRefusal)refusal);
        Assert.Equal(TimeSpan.FromSeconds(seconds), result.RetryAfter);
        Assert.Equal(((LeaseRefusal)refusal, 0, null), (result.Refusal, result.Position, result.EstimatedWait));
        Assert.Null(result.Lease);
    }

    [Fact]
    public void Create_Stopped_RetryAfterOfShutdown() =>
        Assert.Equal(GracefulStop.RetryAfter, _refusals.Create(LeaseRefusal.Stopped).RetryAfter);

    [Theory]
    [InlineData(LeaseRefusal.QueueFull, true)]
    [InlineData(LeaseRefusal.DeadlineTooSoon, true)]
    [InlineData(LeaseRefusal.WaitedTooLong, true)]
    [InlineData(LeaseRefusal.NoneHealthy, false)]
    [InlineData(LeaseRefusal.NotStarted, false)]
    public void Create_InQueue_PositionAndWaitIfTheWaitMatters(object refusal, bool expected)
    {
        var queue = _queues.Get(new QueueKey(FleetBuilder.Key("a")));
        var state = _fleet.Current.Models[FleetBuilder.Key("a")].State;
        for (var i = 0; i < 2; i++)
            _queues.Add(new Waiter(QueueHarness.Request("a:latest") with { Owner = new LeaseOwner { Tenant = Team } }, queue, state, since: 1, order: i));
        var result = _refusals.Create((LeaseRefusal)refusal, queue, Team, Priority.Interactive);
        Assert.Equal(expected ? (3, TimeSpan.FromSeconds(12)) : (0, null), (result.Position, result.EstimatedWait));
    }
}

using OllamaBridge.Gateway.Fleet.Breaker;
using OllamaBridge.Testing.Fleet;

namespace OllamaBridge.Gateway.Tests.Fleet.Breaker;

public class PlacementReportTests
{
    private const long Now = Rule.Second;
    private static readonly BreakerRules Rules = Rule.Of();
    private readonly FleetBuilder _fleet = new FleetBuilder().With("i", "a b").With("j");

    public PlacementReportTests()
    {
        _fleet.Build();
        _fleet.Placement("i", "b").State.MakeGuard();
        _fleet.Placement("i").State.MakeGuard()!.Busy(3 * Rule.Second, Now, Rules, 0);
    }

    [Fact]
    public void Of_OneRestricted_OnlyThatPlacement() =>
        Assert.Equal([new PlacementReport("i", "a:latest", PlacementCondition.Busy, 3 * Rule.Second)], PlacementReport.Of(_fleet["i"], Now));

    [Fact]
    public void Of_RestrictionOver_None() => Assert.Empty(PlacementReport.Of(_fleet["i"], Now + (3 * Rule.Second)));

    [Fact]
    public void All_RestrictionOver_StillReported() => Assert.Equal(
        [new PlacementReport("i", "a:latest", PlacementCondition.Steady, 0)], PlacementReport.All(_fleet.Current, Now + (3 * Rule.Second)));
}

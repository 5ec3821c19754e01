using OllamaBridge.Gateway.Activation;

namespace OllamaBridge.Gateway.Tests.Activation;

public class TierPlanTests
{
    private const int Nobody = -1;

    [Theory]
    // A request starves: start one instance, unless the platform should already have one.
    [InlineData(3, 0, 0, 2, 0, 99, 1)]
    [InlineData(3, 0, Nobody, 2, 0, 0, 1)]
    [InlineData(3, 0, 1, 2, 0, 0, null)]
    [InlineData(3, 0, 5, 2, 99, 0, null)]
    // Every slot has been in use for long: one more, once all requested instances have started, up to the maximum.
    [InlineData(0, 1, 1, 2, 9, 0, null)]
    [InlineData(0, 1, 1, 2, 10, 0, 2)]
    [InlineData(0, 1, 2, 3, 10, 0, null)]
    [InlineData(0, 2, 2, 2, 10, 0, null)]
    [InlineData(0, 2, 5, 3, 10, 0, null)]
    [InlineData(0, 2, Nobody, 3, 10, 0, 3)]
    [InlineData(0, 1, 1, 2, 10, 99, 2)]
    // Unused for long: zero, regardless of the origin of the scale.
    [InlineData(0, 1, 1, 2, 0, 59, null)]
    [InlineData(0, 1, 1, 2, 0, 60, 0)]
    [InlineData(0, 5, 5, 2, 0, 60, 0)]
    [InlineData(0, 0, Nobody, 2, 0, 60, 0)]
    [InlineData(0, 0, 0, 2, 0, 60, null)]
    [InlineData(0, 1, 1, 1, 1, 60, null)]
    public void Decide_TierState_RequestedInstances(int starving, int usable, int wanted, int max, int saturated, int unused, int? expected) =>
        Assert.Equal(expected, TierPlan.Decide(new TierObservation
        {
            Starving = starving,
            Usable = usable,
            Wanted = wanted == Nobody ? null : wanted,
            Max = max,
            Saturated = TimeSpan.FromSeconds(saturated),
            Unused = TimeSpan.FromSeconds(unused),
            IdleTime = TimeSpan.FromSeconds(60),
        }));

    [Fact]
    public void Decide_UseUnknown_Kept() =>
        Assert.Null(TierPlan.Decide(new TierObservation { Usable = 1, Wanted = 1, Max = 1, Unused = null, IdleTime = TimeSpan.FromSeconds(1) }));
}

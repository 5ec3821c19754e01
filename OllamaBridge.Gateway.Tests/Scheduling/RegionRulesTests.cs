using OllamaBridge.Gateway.Scheduling;

namespace OllamaBridge.Gateway.Tests.Scheduling;

public class RegionRulesTests
{
    [Theory]
    [InlineData("Busy", "NoneUsable", "Busy")]
    [InlineData("NoneUsable", "Busy", "Busy")]
    [InlineData("AllTried", "Busy", "Busy")]
    [InlineData("AllTried", "NoneUsable", "AllTried")]
    [InlineData("NoneUsable", "AllTried", "AllTried")]
    [InlineData("NoneUsable", "NoneUsable", "NoneUsable")]
    public void Join_TwoOutcomes_WaitsIfEitherIsBusy(string here, string there, string expected) => Assert.Equal(
        Enum.Parse<SchedulingOutcome>(expected), RegionRules.Join(Enum.Parse<SchedulingOutcome>(here), Enum.Parse<SchedulingOutcome>(there)));
}

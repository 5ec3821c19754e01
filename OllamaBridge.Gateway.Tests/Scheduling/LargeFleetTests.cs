using Microsoft.Extensions.Time.Testing;
using OllamaBridge.Gateway.Scheduling;
using OllamaBridge.Gateway.Scheduling.Filters;
using OllamaBridge.Gateway.Scheduling.Scorers;
using OllamaBridge.Testing.Fleet;
using OllamaBridge.Testing.Scheduling;

namespace OllamaBridge.Gateway.Tests.Scheduling;

/// <summary>Limits on the work of one decision: they apply above a number of candidates.</summary>
public class LargeFleetTests
{
    private static readonly SchedulingOptions Options = new();
    private readonly KeepModelsFilter _filter = new(Microsoft.Extensions.Options.Options.Create(Options), new FakeTimeProvider());

    [Theory]
    [InlineData(128, 128)]
    [InlineData(400, 128)]
    public void Keep_NoResidentAfterWait_AtMost128(int count, int expected)
    {
        var fleet = Fleet(count);
        Assert.Equal(expected, Deciding.Keep(_filter, Deciding.For(fleet, now: 17, waited: Options.SwapAfter)).Count());
    }

    [Fact]
    public void Keep_NoResidentAfterWait_StartsAtRequestsPosition()
    {
        var fleet = Fleet(400);
        var kept = Deciding.Keep(_filter, Deciding.For(fleet, affinity: 5, now: 16, waited: Options.SwapAfter)); // 16 ^ 5 = 21
        Assert.Equal(Enumerable.Range(21, 128).Select(i => $"i{i}"), kept);
    }

    [Fact]
    public void Keep_OnlyEarlierPositionsFree_Found()
    {
        var fleet = Fleet(200);
        for (var i = 2; i < 200; i++)
            fleet[$"i{i}"].TryTakeSlot();
        Assert.Equal(["i0", "i1"], Deciding.Keep(_filter, Deciding.For(fleet, now: 150, waited: Options.SwapAfter)));
    }

    [Theory]
    [InlineData(256, 256)]
    [InlineData(257, 256)]
    [InlineData(600, 256)]
    public void Keep_BusyResident_ExaminesAtMost256(int count, int expected)
    {
        var fleet = Fleet(count, resident: "i0");
        Assert.Equal(expected, Deciding.Keep(_filter, Deciding.For(fleet, now: 0)).Count());
    }

    [Fact]
    public void Keep_BusyResident_ExaminesOtherPartsAtOtherTimes()
    {
        var fleet = Fleet(600, resident: "i0");
        Assert.Equal(Enumerable.Range(100, 256).Select(i => $"i{i}"), Deciding.Keep(_filter, Deciding.For(fleet, now: 100)));
        Assert.Equal(Enumerable.Range(200, 256).Select(i => $"i{i}"), Deciding.Keep(_filter, Deciding.For(fleet, now: 200)));
    }

    [Theory]
    [InlineData(64, 0.25f)]
    [InlineData(65, 0f)]
    public void ModelLoaded_CopyLoadedAfterSnapshot_SeenUpTo64Candidates(int count, float expected)
    {
        var fleet = new FleetBuilder().With("full", "a b", loaded: "b", capacity: 1).With("other", "z b", capacity: 1);
        for (var i = 1; i < count; i++)
            fleet.With($"i{i}");
        fleet.Build();
        fleet.Placement("other", "b").State.AssumeLoading(1);
        var scores = Deciding.Score(new ModelLoadedScorer(), Deciding.For(fleet));
        Assert.Equal((count, expected), (scores.Length, scores[0]));
    }

    /// <summary>Instances with room for the model. The one that has it in memory is busy.</summary>
    private static FleetBuilder Fleet(int count, string? resident = null)
    {
        var fleet = new FleetBuilder();
        for (var i = 0; i < count; i++)
            fleet.With($"i{i}", loaded: $"i{i}" == resident ? "a" : "");
        fleet.Build();
        if (resident is not null)
            fleet[resident].TryTakeSlot();
        return fleet;
    }
}

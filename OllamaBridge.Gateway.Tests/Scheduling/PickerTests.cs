using OllamaBridge.Gateway.Scheduling.Pickers;

namespace OllamaBridge.Gateway.Tests.Scheduling;

public class PickerTests
{
    private const int Picks = 10_000;

    [Theory]
    [InlineData(new[] { 3f }, 0)]
    [InlineData(new[] { 1f, 2f, 3f }, 2)]
    [InlineData(new[] { 3f, 2f, 1f }, 0)]
    [InlineData(new[] { -3f, -2f, -5f }, 1)]
    public void Best_OneHighest_AlwaysPicked(float[] sums, int expected) =>
        Assert.All(Enumerable.Range(0, 100), seed => Assert.Equal(expected, new BestPicker().Pick(sums, new Random(seed))));

    [Theory]
    [InlineData(new[] { 2f, 2f, 2f, 2f }, 4)]
    [InlineData(new[] { 2f, 1f, 2f, 0f, 2f }, 3)]
    [InlineData(new[] { 1f, 2f, 2.00001f, 1.5f }, 2)] // equal except for rounding
    public void Best_EqualScores_PickedEquallyOften(float[] sums, int equals)
    {
        var counts = Count(new BestPicker().Pick, sums);
        Assert.Equal(equals, counts.Count(c => c > 0));
        Assert.All(counts.Where(c => c > 0), c => Assert.InRange(c, Picks / equals * 0.9, Picks / equals * 1.1));
    }

    [Fact]
    public void Weighted_Scores_PickedInProportion()
    {
        var counts = Count(new WeightedPicker().Pick, [1f, 3f, 0f, -5f]);
        Assert.InRange(counts[0], Picks * 0.22, Picks * 0.28);
        Assert.InRange(counts[1], Picks * 0.72, Picks * 0.78);
        Assert.Equal([0, 0], counts[2..]);
    }

    [Fact]
    public void Weighted_NoScores_PickedAtRandom()
    {
        var counts = Count(new WeightedPicker().Pick, [0f, 0f]);
        Assert.InRange(counts[0], Picks * 0.45, Picks * 0.55);
    }

    [Fact]
    public void Best_ManyEqualScores_EachPickedNoneLower()
    {
        var sums = Enumerable.Range(0, 37).Select(i => i % 5 == 1 ? 4f : i).Select(s => Math.Min(s, 4f)).ToArray();
        var counts = Count(new BestPicker().Pick, sums);
        Assert.Equal(sums.Select(s => s == 4f), counts.Select(c => c > 0));
    }

    [Fact]
    public void Weighted_RoundingLeavesRemainder_LastPicked() =>
        Assert.Equal(2, new WeightedPicker().Pick([0.1f, 0.2f, 0.3f], new HighestRandom()));

    [Fact]
    public void Weighted_NegativeScores_PickedAtRandom()
    {
        var counts = Count(new WeightedPicker().Pick, [-1f, -2f, -1f]);
        Assert.All(counts, c => Assert.InRange(c, Picks * 0.3, Picks * 0.37));
    }

    /// <summary>Returns the upper bound, as rounding of the product can.</summary>
    private sealed class HighestRandom : Random
    {
        public override float NextSingle() => 1f;
    }

    private delegate int Pick(ReadOnlySpan<float> sums, Random random);

    private static int[] Count(Pick pick, float[] sums)
    {
        var random = new Random(7);
        var counts = new int[sums.Length];
        for (var i = 0; i < Picks; i++)
            counts[pick(sums, random)]++;
        return counts;
    }
}

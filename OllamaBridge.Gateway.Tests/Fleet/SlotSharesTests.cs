using FsCheck;
using FsCheck.Fluent;
using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Tests.Fleet;

public class SlotSharesTests
{
    private static readonly Arbitrary<(int Slots, int[] Demands, int Turn)> Any = (
        from slots in Gen.Choose(0, 40)
        from count in Gen.Choose(1, 8)
        from demands in Gen.Choose(0, 30).ArrayOf(count)
        from turn in Gen.Choose(-50, 50)
        select (slots, demands, turn)).ToArbitrary();

    [Theory]
    [InlineData(4, new[] { 0 }, 0, new[] { 4 })]
    [InlineData(4, new[] { 9, 0 }, 0, new[] { 4, 0 })] // the only gateway with work gets all slots
    [InlineData(4, new[] { 9, 1 }, 0, new[] { 3, 1 })]
    [InlineData(4, new[] { 9, 9 }, 0, new[] { 2, 2 })]
    [InlineData(4, new[] { 0, 0 }, 0, new[] { 2, 2 })] // spare slots are divided evenly
    [InlineData(1, new[] { 5, 5, 0 }, 0, new[] { 1, 0, 0 })]
    [InlineData(1, new[] { 5, 5, 0 }, 1, new[] { 0, 1, 0 })] // then the next gateway's turn
    public void Divide_Example_Shares(int slots, int[] demands, long turn, int[] expected) => Assert.Equal(expected, Divide(slots, demands, turn));

    [Fact]
    public void Divide_AnyDemands_AllSlotsOnce() => Prop.ForAll(Any, x =>
        Divide(x.Slots, x.Demands, x.Turn) is var shares && shares.All(s => s >= 0) && shares.Sum() == x.Slots).QuickCheckThrowOnFailure();

    [Fact]
    public void Divide_AnyDemands_FairWithinOneSlot() => Prop.ForAll(Any, x =>
    {
        var shares = Divide(x.Slots, x.Demands, x.Turn);
        return Enumerable.Range(0, shares.Length).Where(i => shares[i] < x.Demands[i]).All(i =>
            Enumerable.Range(0, shares.Length).All(j => shares[j] <= x.Demands[j] && shares[j] <= shares[i] + 1));
    }).QuickCheckThrowOnFailure();

    [Fact]
    public void Divide_HigherDemand_NotFewerSlots() => Prop.ForAll(Any, x =>
    {
        var before = Divide(x.Slots, x.Demands, x.Turn);
        var more = x.Demands.ToArray();
        more[0]++;
        // At most one less: the slot goes to another gateway that demands it, and the turn moves on.
        return Divide(x.Slots, more, x.Turn)[0] >= Math.Min(before[0], x.Demands[0]) - 1;
    }).QuickCheckThrowOnFailure();

    [Fact]
    public void Divide_FullRoundOfTurns_EqualShares() => Prop.ForAll(Any, x =>
    {
        var sums = new int[x.Demands.Length];
        var equal = x.Demands.Select(_ => 50).ToArray();
        for (var turn = 0; turn < equal.Length; turn++)
            sums = [.. sums.Zip(Divide(x.Slots, equal, x.Turn + turn), (a, b) => a + b)];
        return sums.All(s => s == sums[0]);
    }).QuickCheckThrowOnFailure();

    private static int[] Divide(int slots, int[] demands, long turn)
    {
        var shares = new int[demands.Length];
        SlotShares.Divide(slots, demands, turn, shares);
        return shares;
    }
}

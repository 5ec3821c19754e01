using FsCheck;
using FsCheck.Fluent;
using OllamaBridge.Gateway.Quotas;

namespace OllamaBridge.Gateway.Tests.Quotas;

public class QuotaPortionsTests
{
    [Theory]
    [InlineData(1000, 0, 0, 0, 0, 1, 0)] // idle
    [InlineData(1000, 300, 0, 0, 0, 3, 300)]
    [InlineData(1000, 300, 200, 0, 0, 3, 500)] // only the need
    [InlineData(1000, 100, 0, 50, 0, 1, 200)] // and room for twice the recent demand
    [InlineData(1000, 100, 0, 5000, 0, 1, 550)] // up to half of the rest
    [InlineData(1000, 100, 0, 5000, 500, 2, 200)] // divided among the gateways
    [InlineData(2, 0, 1, 9, 0, 2, 1)] // a small limit is claimed one by one
    [InlineData(1000, 900, 300, 5, 0, 1, 1000)]
    [InlineData(1000, 1200, 0, 5, 0, 1, 1200)] // the use is reported although it exceeds the limit
    public void Ask_ByUse_ClaimsNeedPlusRoom(long limit, long used, long pending, double recent, long others, int gateways, long asked) =>
        Assert.Equal(asked, QuotaPortions.Request(new QuotaWish(limit, used, pending, recent, others, gateways)));

    [Theory]
    [InlineData(100, 0, 50, 0, 50)]
    [InlineData(100, 0, 50, 70, 30)]
    [InlineData(100, 40, 50, 70, 40)]
    [InlineData(100, 40, 20, 0, 40)]
    [InlineData(100, 0, 50, 170, 0)]
    public void Grant_ByClaims_LimitMinusOtherClaims(long limit, long used, long asked, long others, long granted) =>
        Assert.Equal(granted, QuotaPortions.Grant(limit, used, asked, others));

    [Theory]
    [InlineData(100, 3, 33)]
    [InlineData(2, 3, 1)]
    [InlineData(7, 0, 7)]
    public void EvenShare_AnyGateways_AtLeastOne(long limit, int gateways, long share) => Assert.Equal(share, QuotaPortions.EvenShare(limit, gateways));

    [Fact]
    public void Lately_NoMoreRequests_ZeroWithinAFewIntervals()
    {
        Assert.Equal(5, QuotaPortions.Lately(3, 5));
        var recent = 1.0;
        for (var n = 0; n < 8; n++)
            recent = QuotaPortions.Lately(recent, 0);
        Assert.Equal(0, recent);
    }

    /// <summary>If gateways claim any amounts in any order, the claims add up to the limit at most.</summary>
    [Fact]
    public void Grant_AnyOrder_ClaimsWithinLimit() => Prop.ForAll(
        Gen.Choose(0, 1_000_000).ListOf(100).ToArbitrary(), Gen.Choose(1, 500).ToArbitrary(), Gen.Choose(1, 5).ToArbitrary(),
        (steps, limit, count) =>
        {
            var claims = new long[count];
            var used = new long[count];
            foreach (var step in steps)
            {
                var me = step % count;
                used[me] = claims[me] == 0 ? 0 : step / 7 % (claims[me] + 1);
                var asked = QuotaPortions.Request(new QuotaWish(limit, used[me], step / 11 % 100, step / 13 % 50, used.Sum() - used[me], count));
                claims[me] = QuotaPortions.Grant(limit, used[me], asked, claims.Sum() - claims[me]);
                Assert.InRange(claims.Sum(), 0, limit);
                Assert.InRange(claims[me], used[me], limit);
            }
        }).Check(Config.QuickThrowOnFailure.WithQuietOnSuccess(true));
}

using FsCheck;
using FsCheck.Fluent;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;
using OllamaBridge.Gateway.Forwarding;
using OllamaBridge.Gateway.Forwarding.Hedging;
using OllamaBridge.Gateway.Scheduling;
using OllamaBridge.Testing.Fleet;
using OllamaBridge.Testing.Forwarding;

namespace OllamaBridge.Gateway.Tests.Forwarding.Hedging;

public sealed class FirstTokenTimesTests
{
    private readonly FirstTokenTimes _times = new(Options.Create(new HedgingOptions { Enabled = true }));

    [Fact]
    public void Within_TooFewSamples_Null()
    {
        for (var i = 0; i < 4; i++)
            _times.Add("m", false, Seconds(1));
        Assert.Null(_times.Within("m", false, 0.95, 5));
        _times.Add("m", false, Seconds(1));
        Assert.Equal(Seconds(1), _times.Within("m", false, 0.95, 5));
        Assert.Null(_times.Within("m", true, 0.95, 5)); // complete responses take longer
        Assert.Null(_times.Within("n", false, 0.95, 5));
    }

    [Theory]
    [InlineData(0.5, 50)]
    [InlineData(0.95, 95)]
    [InlineData(0.999, 100)]
    public void Within_HundredSamples_Quantile(double part, double seconds)
    {
        foreach (var i in Enumerable.Range(1, 100).OrderBy(i => i * 37 % 101))
            _times.Add("m", false, Seconds(i));
        Assert.Equal(Seconds(seconds), _times.Within("m", false, part, 20));
    }

    [Fact]
    public void Within_Changed_RecentSamples()
    {
        for (var i = 0; i < 1000; i++)
            _times.Add("m", false, Seconds(100));
        for (var i = 0; i < FirstTokenTimes.Remembered; i++)
            _times.Add("m", false, Seconds(2));
        Assert.Equal(Seconds(2), _times.Within("m", false, 0.999, 20));
    }

    [Fact]
    public void Add_HedgingDisabled_NothingStored()
    {
        var times = new FirstTokenTimes(Options.Create(new HedgingOptions()));
        times.Add("m", false, Seconds(1));
        Assert.Null(times.Within("m", false, 0.5, 1));
    }

    private static TimeSpan Seconds(double seconds) => TimeSpan.FromSeconds(seconds);
}

public sealed class HedgeBudgetTests
{
    [Fact]
    public void TryWithdraw_AnySequence_WithinShareAndBurst() => Prop.ForAll(
        Gen.Choose(0, 1000).ToArbitrary(),
        Gen.Choose(1, 20).ToArbitrary(),
        ArbMap.Default.ArbFor<bool[]>(),
        (thousandths, burst, steps) =>
        {
            var budget = new HedgeBudget(Options.Create(new HedgingOptions { MaxShare = thousandths / 1000.0, Burst = burst }));
            var (requests, sent, inRow, holds) = (0, 0, 0, true);
            foreach (var isRequest in steps)
            {
                if (isRequest)
                {
                    budget.Deposit();
                    (requests, inRow) = (requests + 1, 0);
                }
                else if (budget.TryWithdraw())
                {
                    (sent, inRow) = (sent + 1, inRow + 1);
                }

                holds &= sent * 1000L <= (long)requests * thousandths && inRow <= burst;
            }

            return holds;
        }).QuickCheckThrowOnFailure();

    [Fact]
    public async Task TryWithdraw_Concurrent_ExactShare()
    {
        var budget = new HedgeBudget(Options.Create(new HedgingOptions { MaxShare = 0.25, Burst = 10_000 }));
        var sent = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(() => Enumerable.Range(0, 1000).Count(_ =>
        {
            budget.Deposit();
            return budget.TryWithdraw();
        }))));
        var rest = 0;
        while (budget.TryWithdraw())
            rest++;
        Assert.Equal(2000, sent.Sum() + rest);
    }

    [Fact]
    public void Return_Unused_AvailableAgain()
    {
        var budget = new HedgeBudget(Options.Create(new HedgingOptions { MaxShare = 1 }));
        budget.Deposit();
        Assert.True(budget.TryWithdraw());
        Assert.False(budget.TryWithdraw());
        budget.Return();
        Assert.True(budget.TryWithdraw());
    }
}

public sealed class HedgeRaceTests
{
    private readonly FakeTimeProvider _clock = new();

    [Fact]
    public async Task TryWin_First_OtherLoses()
    {
        var race = new HedgeRace();
        var (one, other, late) = (Attempt(race), Attempt(race), Attempt(race));
        race.Add(one);
        race.Add(other);
        Assert.True(other.TryBegin());
        Assert.True(race.TryWin(other));
        Assert.False(race.TryWin(one));
        Assert.True(race.TryWin(other)); // a second call of the winner
        race.Add(late);
        Assert.Same(other, await race.Won);
        Assert.Equal((true, false, true), (one.IsOvertaken, other.IsOvertaken, late.IsOvertaken));
        Assert.False(one.TryBegin());
        Assert.Equal(OllamaBridge.Gateway.Fleet.InstanceFailure.Overtaken, one.Withdrawn);
    }

    [Fact]
    public async Task TryWin_Concurrent_ExactlyOne()
    {
        for (var n = 0; n < 200; n++)
        {
            var race = new HedgeRace();
            ForwardAttempt[] attempts = [Attempt(race), Attempt(race)];
            foreach (var attempt in attempts)
                race.Add(attempt);
            var won = await Task.WhenAll(attempts.Select(a => Task.Run(() => a.TryBegin() && race.TryWin(a))));
            Assert.Single(won, true);
        }
    }

    private ForwardAttempt Attempt(HedgeRace race)
    {
        var fleet = new FleetBuilder().With("i");
        fleet.Build();
        return TestCalls.Attempt(TestCalls.Create(), InstanceLease.WithoutSlot(fleet.Placement("i"), _clock), _clock, race: race);
    }
}

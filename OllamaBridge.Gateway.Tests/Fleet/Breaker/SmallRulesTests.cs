using FsCheck;
using FsCheck.Fluent;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Fleet.Breaker;

namespace OllamaBridge.Gateway.Tests.Fleet.Breaker;

public class SmallRulesTests
{
    private static readonly BreakerRules Rules = Rule.Of();

    [Fact]
    public void FailureWindow_AnyOutcomes_CountsLast64SinceStart() => Prop.ForAll(
        Gen.Choose(0, 199).ArrayOf(150).ToArbitrary(), Gen.Choose(0, 100).ToArbitrary(), (events, since) =>
        {
            var window = new FailureWindow();
            foreach (var e in events)
                window.Add(e / 2, e % 2 == 1);
            var last = events.TakeLast(FailureWindow.Capacity).Where(e => e / 2 > since).ToArray();
            return window.CountAfter(since) == (last.Length, last.Count(e => e % 2 == 1));
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void FailureWindow_Cleared_Empty()
    {
        var window = new FailureWindow();
        window.Add(5, true);
        window.Clear();
        Assert.Equal((0, 0), window.CountAfter(0));
    }

    [Fact]
    public void SlowStart_AnyTimes_MonotonicBetweenOneAndAll() => Prop.ForAll(
        Gen.Choose(1, 1024).ToArbitrary(), Gen.Choose(1, 3600).ToArbitrary(), Gen.Choose(0, 1000).ToArbitrary(), (slots, seconds, thousandths) =>
        {
            var until = seconds * Rule.Second;
            var now = until / 1000 * thousandths;
            var limit = SlowStart.Limit(slots, 0, until, now);
            return limit >= 1 && limit <= slots && limit <= SlowStart.Limit(slots, 0, until, now + Rule.Second)
                && SlowStart.Limit(slots, 0, until, -5) == 1 && SlowStart.Limit(slots, 0, until, until) == slots;
        }).QuickCheckThrowOnFailure();

    [Theory]
    [InlineData(4, 0, 1)]
    [InlineData(4, 3.3, 1)]
    [InlineData(4, 3.4, 2)]
    [InlineData(4, 9.9, 3)]
    [InlineData(4, 10, 4)]
    [InlineData(1, 0, 1)]
    public void SlowStart_Example_Limit(int slots, double seconds, int expected) =>
        Assert.Equal(expected, SlowStart.Limit(slots, 0, 10 * Rule.Second, (long)(seconds * Rule.Second)));

    [Fact]
    public void Backoff_AnyCount_WithinBoundsAndMonotonic() => Prop.ForAll(
        Gen.Choose(0, 100_000).ToArbitrary(), Gen.Choose(0, 1000).ToArbitrary(), (times, thousandths) =>
        {
            var chance = thousandths / 1000.0;
            var time = JitteredBackoff.Next(Rules.OpenTime, Rules.MaxOpenTime, times, chance);
            return time >= Rules.OpenTime && time <= Rules.MaxOpenTime * 1.1 && JitteredBackoff.Next(Rules.OpenTime, Rules.MaxOpenTime, times + 1, chance) >= time;
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void Backoff_BusyWithRetryAfter_NotBeforeAndNotMuchLater() => Prop.ForAll(
        Gen.Choose(1, 60).ToArbitrary(), Gen.Choose(0, 20).ToArbitrary(), Gen.Choose(0, 1000).ToArbitrary(), (seconds, times, thousandths) =>
            JitteredBackoff.Busy(seconds * Rule.Second, times, Rules, thousandths / 1000.0) is var time
            && time >= seconds * Rule.Second && time <= seconds * Rule.Second * 1.1).QuickCheckThrowOnFailure();

    [Fact]
    public void Backoff_BusyForAYear_OneMinute() => Assert.Equal(60 * Rule.Second, JitteredBackoff.Busy(long.MaxValue / 4, 0, Rules, 0));

    [Theory]
    [InlineData(0, 0.5)]
    [InlineData(1, 1)]
    [InlineData(3, 4)]
    [InlineData(30, 60)]
    public void Backoff_BusyWithoutRetryAfter_Doubles(int times, double seconds) =>
        Assert.Equal((long)(seconds * Rule.Second), JitteredBackoff.Busy(0, times, Rules, 0));

    [Fact]
    public void Speed_FarBelowHistory_SlowUntilRecovered()
    {
        var speed = new SpeedHistory();
        var options = new BreakerOptions();
        for (var i = 0; i < 30; i++)
            Assert.False(speed.Add(i % 2 == 0 ? 90 : 110, options));
        var slow = 0;
        while (!speed.Add(10, options) && slow++ < 50)
        {
            // Several, because one slow response is not conclusive.
        }

        Assert.InRange(slow, 2, 12);
        Assert.True(speed.IsSlow);
        Assert.False(speed.Add(40, options)); // better, but below its usual speed
        Assert.True(speed.Add(60, options));
        Assert.False(speed.IsSlow);
    }

    [Fact]
    public void Speed_HalfOfHistory_NotSlow()
    {
        var speed = new SpeedHistory();
        for (var i = 0; i < 30; i++)
            speed.Add(100, new BreakerOptions());
        for (var i = 0; i < 200; i++)
            Assert.False(speed.Add(50, new BreakerOptions()));
    }

    [Fact]
    public void Speed_SlowFromStart_NotSlow()
    {
        var speed = new SpeedHistory();
        for (var i = 0; i < 200; i++)
            Assert.False(speed.Add(i < 3 ? 40 : 5, new BreakerOptions { SlowRatio = 0.1 }));
    }

    [Fact]
    public void Speed_SlowPermanently_BecomesUsual()
    {
        var speed = new SpeedHistory();
        for (var i = 0; i < 30; i++)
            speed.Add(100, new BreakerOptions());
        for (var i = 0; i < 1000; i++)
            speed.Add(10, new BreakerOptions());
        Assert.False(speed.IsSlow);
    }

    [Fact]
    public void Speed_Disabled_NeverSlow()
    {
        var speed = new SpeedHistory();
        for (var i = 0; i < 100; i++)
            Assert.False(speed.Add(i < 50 ? 100 : 0.01, new BreakerOptions { SlowRatio = 0 }));
    }

    [Fact]
    public void Speed_Reloaded_NoLongerSlow()
    {
        var speed = new SpeedHistory();
        for (var i = 0; i < 60; i++)
            speed.Add(i < 30 ? 100 : 1, new BreakerOptions());
        Assert.True(speed.IsSlow);
        Assert.True(speed.Reload());
        Assert.False(speed.IsSlow);
        Assert.False(speed.Add(100, new BreakerOptions()));
    }

    [Fact]
    public void Options_InvalidTimes_EachReported()
    {
        var second = TimeSpan.FromSeconds(1);
        var result = new BreakerTimesValidator().Validate(null, new BreakerOptions
        {
            OpenTime = 2 * second,
            MaxOpenTime = second,
            BusyTime = 2 * second,
            MaxBusyTime = second,
        });
        Assert.Equal(["Bridge:Breaker:MaxOpenTime", "Bridge:Breaker:MaxBusyTime"], result.Failures!.Select(f => f[..f.IndexOf(": ", StringComparison.Ordinal)]));
        Assert.True(new BreakerTimesValidator().Validate(null, new BreakerOptions()).Succeeded);
    }

    [Fact]
    public void Options_EqualTimes_Valid()
    {
        var second = TimeSpan.FromSeconds(1);
        Assert.True(new BreakerTimesValidator().Validate(
            null, new BreakerOptions { OpenTime = second, MaxOpenTime = second, BusyTime = second, MaxBusyTime = second }).Succeeded);
    }

    [Fact]
    public void FailureRow_OneModel_CountsHalf()
    {
        var row = new FailureRow();
        ModelState a = new("a"), b = new("b");
        for (var i = 0; i < 10; i++)
            Assert.InRange(row.Add(a, 3), 1, 3);
        Assert.Equal(4, row.Add(b, 3));
        Assert.Equal(5, row.Add(b, 3));
        Assert.True(row.Clear());
        Assert.False(row.Clear());
        Assert.Equal(1, row.Add(a, 3));
    }

    [Fact]
    public void FailureRow_RequestsWithoutModel_NotBounded()
    {
        var row = new FailureRow();
        ModelState a = new("a");
        for (var i = 1; i <= 5; i++)
            Assert.Equal(i, row.Add(null, 3));
        Assert.Equal(6, row.Add(a, 3));
        Assert.Equal(7, row.Add(a, 3));
        Assert.True(row.Clear());
        Assert.Equal(1, row.Add(null, 3));
        Assert.False(new FailureRow().Clear());
    }

    [Fact]
    public void Rules_EachTime_InTicks()
    {
        var options = new BreakerOptions
        {
            Window = TimeSpan.FromSeconds(1),
            OpenTime = TimeSpan.FromSeconds(2),
            MaxOpenTime = TimeSpan.FromSeconds(3),
            BusyTime = TimeSpan.FromSeconds(4),
            MaxBusyTime = TimeSpan.FromSeconds(5),
            SlowProbeInterval = TimeSpan.FromSeconds(6),
            MemoryTime = TimeSpan.FromSeconds(7),
        };
        Assert.Equal(
            new BreakerRules(options, Rule.Second, 2 * Rule.Second, 3 * Rule.Second, 4 * Rule.Second, 5 * Rule.Second, 6 * Rule.Second, 8 * Rule.Second, 7 * Rule.Second),
            Rule.Of(options, slowStart: 8));
    }

    [Fact]
    public void SlowStart_NoSlots_None() => Assert.Equal(0, SlowStart.Limit(0, 0, 10, 0));

    [Fact]
    public void SlowStartRamp_NoDuration_NoSlowStart()
    {
        var ramp = new SlowStartRamp();
        ramp.Start(5, 10, isInstances: true);
        Assert.Equal((15, true), (ramp.Until, ramp.IsInstances));
        ramp.Start(5, 0, isInstances: false);
        Assert.Equal((0, false), (ramp.Until, ramp.IsInstances));
    }

    [Fact]
    public void Busy_AfterReset_ShortestTimeAgain()
    {
        var busy = new BusyPeriod();
        busy.Extend(0, 0, Rules, 0);
        busy.Extend(0, Rules.BusyTime, Rules, 0);
        Assert.Equal(3 * Rules.BusyTime, busy.Until);
        busy.ResetBackoff();
        busy.Extend(0, 3 * Rules.BusyTime, Rules, 0);
        Assert.Equal(4 * Rules.BusyTime, busy.Until);
    }

    [Fact]
    public void Speed_LastOfFirstResponses_MayBeSlow()
    {
        var speed = new SpeedHistory();
        var options = new BreakerOptions { SlowAnswers = 10, SlowRatio = 0.5 };
        for (var i = 0; i < 5; i++)
            Assert.False(speed.Add(100, options));
        for (var i = 5; i < 9; i++)
            Assert.False(speed.Add(1, options)); // too few responses
        Assert.True(speed.Add(1, options));
    }

    [Fact]
    public void Speed_SlowHighRatio_RecoversAtUsualSpeed()
    {
        var speed = new SpeedHistory();
        var options = new BreakerOptions { SlowRatio = 0.8 };
        for (var i = 0; i < 60; i++)
            speed.Add(i < 30 ? 100 : 1, options);
        Assert.True(speed.IsSlow);
        var usual = speed.Usual;
        Assert.False(speed.Add(usual * 0.9, options));
        Assert.True(speed.Add(usual * 1.1, options)); // at most the usual speed is required, not 1.6 times that
    }

    [Fact]
    public void Speed_ReloadedWhileNotSlow_NoChange()
    {
        var speed = new SpeedHistory();
        speed.Add(100, new BreakerOptions());
        Assert.False(speed.Reload());
    }
}

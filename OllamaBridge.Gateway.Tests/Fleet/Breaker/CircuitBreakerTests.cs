using FsCheck;
using FsCheck.Fluent;
using OllamaBridge.Gateway.Fleet.Breaker;

namespace OllamaBridge.Gateway.Tests.Fleet.Breaker;

public class CircuitBreakerTests
{
    private static readonly BreakerRules Rules = Rule.Of(new BreakerOptions
    {
        ConsecutiveFailures = 3,
        TimeOuts = 2,
        MinimumRequests = 4,
        FailureRatio = 0.5,
        Window = TimeSpan.FromSeconds(10),
        OpenTime = TimeSpan.FromSeconds(2),
        MaxOpenTime = TimeSpan.FromSeconds(30),
    });

    private readonly CircuitBreaker _breaker = new();
    private long _now = Rule.Second;

    [Fact]
    public void Fail_ConsecutiveFailures_Opens()
    {
        Assert.False(Fail());
        Assert.False(Fail());
        Assert.Equal(BreakerState.Closed, _breaker.StateAt(_now));
        Assert.True(Fail());
        Assert.Equal(BreakerState.Open, _breaker.StateAt(_now));
    }

    [Fact]
    public void Fail_SuccessBetween_StaysClosedBelowRatio()
    {
        for (var i = 0; i < 20; i++)
        {
            Succeed();
            Succeed();
            Assert.False(Fail());
        }
    }

    [Fact]
    public void Fail_Timeouts_OpensAfterFewer()
    {
        Assert.False(Fail(timedOut: true));
        Assert.True(Fail(timedOut: true));
    }

    [Fact]
    public void Fail_HalfOfSufficientSamples_Opens()
    {
        Succeed();
        Assert.False(Fail());
        Succeed();
        Assert.True(Fail());
    }

    [Fact]
    public void Fail_HalfOfTooFewSamples_StaysClosed()
    {
        Succeed();
        Assert.False(Fail());
        Assert.False(Fail());
    }

    [Fact]
    public void Fail_FailuresOutsideWindow_DoNotCount()
    {
        Fail();
        Succeed();
        Pass(10);
        Succeed();
        Assert.False(Fail()); // 1 of 2
        Succeed();
        Assert.True(Fail()); // 2 of 4
    }

    [Fact]
    public void TryProbe_OpenTimeOver_OneAtATime()
    {
        Open();
        Pass(1.9);
        Assert.False(_breaker.TryProbe(_now));
        Pass(0.1);
        Assert.Equal(BreakerState.HalfOpen, _breaker.StateAt(_now));
        Assert.True(_breaker.TryProbe(_now));
        Assert.False(_breaker.TryProbe(_now));
        _breaker.AbandonProbe();
        Assert.True(_breaker.TryProbe(_now));
    }

    [Fact]
    public void Succeed_Probe_Closes()
    {
        OpenAndProbe();
        Assert.True(_breaker.Succeed(_breaker.Epoch, isProbe: true, _now, Rules));
        Assert.Equal(BreakerState.Closed, _breaker.StateAt(_now));
        Assert.False(_breaker.IsProbing);
    }

    [Fact]
    public void Fail_Probe_OpensForTwiceAsLong()
    {
        double[] expected = [4, 8, 16, 30, 30];
        Open();
        foreach (var seconds in expected)
        {
            _now = _breaker.OpenUntil;
            Assert.True(_breaker.TryProbe(_now));
            Assert.True(Fail(isProbe: true));
            Assert.Equal(seconds * Rule.Second, _breaker.OpenUntil - _now);
        }
    }

    [Fact]
    public void Fail_TwiceOnTrial_OpensForTwiceAsLong()
    {
        OpenAndProbe();
        _breaker.Succeed(_breaker.Epoch, isProbe: true, _now, Rules);
        Assert.False(Fail());
        Assert.True(Fail());
        Assert.Equal(4 * Rule.Second, _breaker.OpenUntil - _now);
    }

    [Fact]
    public void Succeed_AfterTrial_NextOpenTimeIsShortAgain()
    {
        OpenAndProbe();
        _breaker.Succeed(_breaker.Epoch, isProbe: true, _now, Rules);
        _now += Rules.SlowStart;
        Succeed();
        Open();
        Assert.Equal(2 * Rule.Second, _breaker.OpenUntil - _now);
    }

    [Fact]
    public void Outcome_RequestFromBeforeOpening_NoEffect()
    {
        var before = _breaker.Epoch;
        OpenAndProbe();
        var until = _breaker.OpenUntil;
        Assert.False(_breaker.Succeed(before, isProbe: false, _now, Rules));
        Assert.False(_breaker.Fail(before, isProbe: false, timedOut: true, _now, Rules, 0));
        Assert.Equal(until, _breaker.OpenUntil);
        Assert.True(_breaker.IsProbing);
        _breaker.Succeed(_breaker.Epoch, isProbe: true, _now, Rules);
        for (var i = 0; i < 10; i++)
            Assert.False(_breaker.Fail(before, isProbe: false, timedOut: true, _now, Rules, 0));
    }

    [Fact]
    public void EndOpenTime_Open_HalfOpenImmediately()
    {
        Open();
        _breaker.EndOpenTime(_now);
        Assert.True(_breaker.TryProbe(_now));
    }

    [Fact]
    public void Replace_Open_ClosedOnTrialAndIgnoresEarlierRequests()
    {
        var before = _breaker.Epoch;
        Open();
        var after = _breaker.Epoch;
        _breaker.Replace(_now + Rules.SlowStart);
        Assert.Equal(BreakerState.Closed, _breaker.StateAt(_now));
        foreach (var epoch in new[] { before, after })
            for (var i = 0; i < 10; i++)
                Assert.False(_breaker.Fail(epoch, isProbe: false, timedOut: false, _now, Rules, 0));
        Assert.False(Fail());
        Assert.True(Fail());
    }

    [Fact]
    public void Fail_TwiceWhenTrialHasEnded_StaysClosed()
    {
        OpenAndProbe();
        _breaker.Succeed(_breaker.Epoch, isProbe: true, _now, Rules);
        _now += Rules.SlowStart;
        Assert.False(Fail());
        Assert.False(Fail());
    }

    [Fact]
    public void EndOpenTime_ClosedOrOver_NoEffect()
    {
        _breaker.EndOpenTime(_now);
        Assert.Equal(BreakerState.Closed, _breaker.StateAt(_now));
        Open();
        var until = _breaker.OpenUntil;
        _breaker.EndOpenTime(until + 5);
        Assert.Equal(until, _breaker.OpenUntil);
    }

    [Fact]
    public void EndOpenTime_AtTimeZero_HalfOpen()
    {
        _now = 0;
        Open();
        _breaker.EndOpenTime(0);
        Assert.Equal(BreakerState.HalfOpen, _breaker.StateAt(1)); // 0 means closed
    }

    [Fact]
    public void Replace_Closed_NoTrialAndEarlierRequestsCount()
    {
        var epoch = _breaker.Epoch;
        _breaker.Replace(_now + Rules.SlowStart);
        Assert.Equal(epoch, _breaker.Epoch);
        Assert.False(Fail());
        Assert.False(Fail());
        Assert.True(Fail());
    }

    [Fact]
    public void Replace_Probing_NoProbeRuns()
    {
        OpenAndProbe();
        _breaker.Replace(_now + Rules.SlowStart);
        Assert.False(_breaker.IsProbing);
    }

    [Fact]
    public void TryProbe_Closed_False() => Assert.False(_breaker.TryProbe(_now));

    [Fact]
    public void Fail_OneFailureConfigured_TrialNotLonger()
    {
        var rules = Rule.Of(new BreakerOptions { ConsecutiveFailures = 1 });
        Assert.True(_breaker.Fail(_breaker.Epoch, isProbe: false, timedOut: false, _now, rules, 0));
        _breaker.Replace(_now + rules.SlowStart);
        Assert.True(_breaker.Fail(_breaker.Epoch, isProbe: false, timedOut: false, _now, rules, 0));
    }

    [Fact]
    public void Fail_NoOpenTime_OpenForOneTick()
    {
        var rules = Rules with { OpenTime = 0, MaxOpenTime = 0 };
        while (!_breaker.Fail(_breaker.Epoch, isProbe: false, timedOut: false, _now, rules, 0))
        {
            // Until the circuit opens.
        }

        Assert.Equal(_now + 1, _breaker.OpenUntil);
    }

    /// <summary>Compares the breaker with a model that records every outcome.</summary>
    [Fact]
    public void Any_Sequence_MatchesModelAndNeverTwoProbes()
    {
        // Each number is one event: its kind, and the tenths of a second before it.
        Prop.ForAll(Gen.Choose(0, 999).ArrayOf(200).ToArbitrary(), events =>
        {
            var breaker = new CircuitBreaker();
            var now = Rule.Second;
            List<(long At, bool Failed)> seen = [];
            var (row, timeOuts, openings, trialUntil, openUntil, probes) = (0, 0, 0, 0L, 0L, 0);
            foreach (var e in events)
            {
                now += e / 10 * (Rule.Second / 10);
                switch (e % 10)
                {
                    case < 4 when openUntil == 0:
                        if (breaker.Succeed(breaker.Epoch, false, now, Rules))
                            return false;
                        if (now >= trialUntil)
                            openings = 0;
                        row = timeOuts = 0;
                        seen.Add((now, false));
                        break;
                    case < 8 when openUntil == 0:
                        var timedOut = e % 10 == 7;
                        seen.Add((now, true));
                        row++;
                        timeOuts += timedOut ? 1 : 0;
                        var recent = seen.TakeLast(FailureWindow.Capacity).Where(s => s.At > now - Rules.Window).ToArray();
                        var opens = row >= (now < trialUntil ? 2 : 3) || timeOuts >= 2
                            || (recent.Length >= 4 && recent.Count(s => s.Failed) * 2 >= recent.Length);
                        var chance = e / 999.0;
                        if (breaker.Fail(breaker.Epoch, false, timedOut, now, Rules, chance) != opens)
                            return false;
                        if (opens)
                            OpenModel(chance);
                        break;
                    case 8 when breaker.TryProbe(now):
                        if (openUntil == 0 || now < openUntil || ++probes > 1)
                            return false;
                        break;
                    case 9 when probes == 1 && e < 500:
                        probes = 0;
                        if (!breaker.Succeed(breaker.Epoch, true, now, Rules))
                            return false;
                        (openUntil, trialUntil) = (0, now + Rules.SlowStart);
                        break;
                    case 9 when probes == 1:
                        probes = 0;
                        if (!breaker.Fail(breaker.Epoch, true, false, now, Rules, 0))
                            return false;
                        OpenModel(0);
                        break;
                }

                var expected = openUntil == 0 ? BreakerState.Closed : now < openUntil ? BreakerState.Open : BreakerState.HalfOpen;
                if (breaker.StateAt(now) != expected || breaker.OpenUntil != openUntil)
                    return false;
            }

            return true;

            void OpenModel(double chance)
            {
                var time = Math.Min(Rules.OpenTime * (1L << Math.Min(openings++, 16)), Rules.MaxOpenTime);
                openUntil = now + time + (long)(time * 0.1 * chance);
                row = timeOuts = 0;
                seen.Clear();
            }
        }).QuickCheckThrowOnFailure();
    }

    private void Pass(double seconds) => _now += (long)(seconds * Rule.Second);

    private bool Fail(bool isProbe = false, bool timedOut = false) => _breaker.Fail(_breaker.Epoch, isProbe, timedOut, _now, Rules, 0);

    private void Succeed() => Assert.False(_breaker.Succeed(_breaker.Epoch, isProbe: false, _now, Rules));

    private void Open()
    {
        while (!Fail())
        {
            // Fails until the breaker opens.
        }
    }

    private void OpenAndProbe()
    {
        Open();
        _now = _breaker.OpenUntil;
        Assert.True(_breaker.TryProbe(_now));
    }
}

/// <summary>Rules for tests, with a clock whose ticks equal those of <see cref="TimeSpan"/>.</summary>
internal static class Rule
{
    public const long Second = TimeSpan.TicksPerSecond;

    public static BreakerRules Of(BreakerOptions? options = null, double slowStart = 10) =>
        BreakerRules.From(options ?? new BreakerOptions(), TimeSpan.FromSeconds(slowStart), new Microsoft.Extensions.Time.Testing.FakeTimeProvider());
}

using OllamaBridge.Gateway.Discovery;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Fleet.Breaker;

namespace OllamaBridge.Gateway.Tests.Fleet.Breaker;

public class PlacementGuardTests
{
    private const int Threads = 4;
    private static readonly BreakerRules Rules = Rule.Of();
    private readonly Instance _instance = new(new InstanceDefinition("i", new Uri("http://i"), 8, 0));
    private readonly PlacementState _state;
    private long _now = Rule.Second;

    public PlacementGuardTests()
    {
        _state = new PlacementState(new ModelState("a"), _instance);
        _instance.SetPlacements([_state]);
    }

    private PlacementGuard Guard => _state.MakeGuard()!;

    [Fact]
    public void TryEnter_Steady_NoRestriction()
    {
        Enter();
        Assert.False(_state.IsRestricted);
        Assert.Equal(0, _state.Model.Restricted);
        Assert.False(Guard.WasRestricted);
        Assert.Equal(PlacementCondition.Steady, Guard.ConditionAt(_now));
    }

    [Fact]
    public void Limit_LearnedParallelism_LimitsRequestsUntilItEnds()
    {
        Assert.True(Guard.Limit(2, _now + (10 * Rule.Second), _now));
        Assert.False(Guard.Limit(2, _now + (20 * Rule.Second), _now));
        Assert.Equal(1, _state.Model.Restricted);

        var first = Enter();
        Assert.Equal(PlacementCondition.Steady, Guard.ConditionFor(_now));
        Enter();
        Assert.False(TryEnter(out _));
        Assert.Equal(PlacementCondition.Busy, Guard.ConditionFor(_now));
        // The learned parallelism is independent of the condition.
        Assert.Equal(PlacementCondition.Steady, Guard.ConditionAt(_now));

        Leave(first);
        Enter();
        Assert.False(TryEnter(out _));

        _now += 10 * Rule.Second;
        Guard.Refresh(_now);
        Assert.Equal((0, 0), (Guard.LimitAt(_now), _state.Model.Restricted));
        Enter();
    }

    [Fact]
    public void Unloaded_LearnedParallelism_Forgotten()
    {
        Guard.Limit(1, _now + (10 * Rule.Second), _now);
        Guard.Unloaded(_now);
        Assert.Equal((0, 0), (Guard.LimitAt(_now), _state.Model.Restricted));
    }

    [Fact]
    public void Failed_Often_OpenThenProbeThenSlowStartThenSteady()
    {
        FailUntilOpen();
        Assert.Equal(PlacementCondition.Open, Guard.ConditionAt(_now));
        Assert.False(TryEnter(out _));
        Assert.Equal(1, _state.Model.Restricted);

        _now += 2 * Rule.Second;
        Assert.Equal(PlacementCondition.HalfOpen, Guard.ConditionAt(_now));
        var probe = Enter();
        Assert.True(probe.IsProbe);
        Assert.Equal(PlacementCondition.Probing, Guard.ConditionAt(_now));
        Assert.False(TryEnter(out _));

        Assert.True(Guard.Answering(probe, _now, Rules)); // the first byte is enough
        Assert.Equal(PlacementCondition.SlowStart, Guard.ConditionAt(_now));
        Assert.False(TryEnter(out _)); // the first slot is the probe's
        Leave(probe);
        Enter();

        _now += 10 * Rule.Second;
        Guard.Refresh(_now);
        Assert.Equal((PlacementCondition.Steady, 0), (Guard.ConditionAt(_now), _state.Model.Restricted));
    }

    [Fact]
    public void TryEnter_SlowStartWithoutAlternative_AllSlots()
    {
        Guard.Return(_now, Rules.SlowStart);
        for (var i = 0; i < 8; i++)
            Assert.True(_state.TryEnter(_now, slowly: false, out _));
    }

    [Fact]
    public void Leave_ProbeWithoutOutcome_NextRequestProbes()
    {
        FailUntilOpen();
        _now += 2 * Rule.Second;
        Leave(Enter()); // its client disconnected
        Assert.Equal(PlacementCondition.HalfOpen, Guard.ConditionAt(_now));
        Assert.True(Enter().IsProbe);
    }

    [Fact]
    public void Failed_AfterProbesFirstByte_CountsAsOneFailure()
    {
        FailUntilOpen();
        _now += 2 * Rule.Second;
        var probe = Enter();
        Guard.Answering(probe, _now, Rules);
        Assert.False(Guard.Failed(probe, InstanceFailure.Broken, _now, Rules, 0));
        Leave(probe);
        Assert.Equal(PlacementCondition.SlowStart, Guard.ConditionAt(_now));
    }

    [Fact]
    public void Busy_WithRetryAfter_ExcludedForThatTimeWithoutFailure()
    {
        Guard.Busy(3 * Rule.Second, _now, Rules, 0);
        Assert.Equal(PlacementCondition.Busy, Guard.ConditionAt(_now));
        Assert.False(TryEnter(out _));
        _now += 3 * Rule.Second;
        Assert.Equal(PlacementCondition.Steady, Guard.ConditionAt(_now));
        Assert.False(Enter().IsProbe);
        Assert.Equal(0, _state.Model.Restricted); // the next request refreshed the state
    }

    [Fact]
    public void Busy_Repeatedly_BacksOffUntilSuccess()
    {
        double[] expected = [0.5, 1, 2, 4];
        foreach (var seconds in expected)
        {
            Guard.Busy(0, _now, Rules, 0);
            Guard.Busy(0, _now, Rules, 0); // two responses at the same time count once
            Assert.Equal(seconds * Rule.Second, Guard.Left(_now));
            _now += Guard.Left(_now);
        }

        Guard.Succeeded(Enter(), 0, _now, Rules);
        Guard.Busy(0, _now, Rules, 0);
        Assert.Equal(0.5 * Rule.Second, Guard.Left(_now));
    }

    [Fact]
    public void Return_Open_ProbedImmediately()
    {
        FailUntilOpen();
        Guard.Return(_now, Rules.SlowStart);
        Assert.True(Enter().IsProbe);
    }

    [Fact]
    public void Succeeded_MuchSlowerThanUsual_ProbedUntilRecovered()
    {
        for (var i = 0; i < 20; i++)
            Assert.Equal(GuardChange.None, Answer(100));
        var change = GuardChange.None;
        for (var i = 0; i < 20 && change == GuardChange.None; i++)
            change = Answer(5);
        Assert.Equal(GuardChange.Slowed, change);
        Assert.Equal(PlacementCondition.Slow, Guard.ConditionAt(_now));

        _now += 30 * Rule.Second;
        Assert.Equal(PlacementCondition.SlowDue, Guard.ConditionAt(_now));
        var probe = Enter();
        Assert.True(probe.IsProbe);
        Assert.Equal(PlacementCondition.Slow, Guard.ConditionAt(_now)); // no second probe
        Assert.Equal(GuardChange.None, Guard.Succeeded(probe, 5, _now, Rules));
        Leave(probe);
        Assert.Equal(PlacementCondition.Slow, Guard.ConditionAt(_now));

        _now += 30 * Rule.Second;
        Assert.Equal(GuardChange.Recovered, Answer(95));
        Assert.Equal((PlacementCondition.Steady, 0), (Guard.ConditionAt(_now), _state.Model.Restricted));
    }

    [Fact]
    public void SetShortOfMemory_UntilEndOrSuccess_Avoided()
    {
        Guard.SetShortOfMemory(_now, 60 * Rule.Second);
        Assert.Equal((PlacementCondition.ShortOfMemory, 60 * Rule.Second, 1), (Guard.ConditionAt(_now), Guard.Left(_now), _state.Model.Restricted));
        var entry = Enter();
        Assert.False(entry.IsProbe);
        Assert.Equal(GuardChange.None, Guard.Succeeded(entry, 0, _now, Rules));
        Assert.Equal((PlacementCondition.Steady, 0), (Guard.ConditionAt(_now), _state.Model.Restricted));

        Guard.SetShortOfMemory(_now, 60 * Rule.Second);
        _now += 60 * Rule.Second;
        Assert.Equal((PlacementCondition.Steady, 0), (Guard.ConditionAt(_now), Guard.Left(_now)));
        Guard.Refresh(_now);
        Assert.Equal(0, _state.Model.Restricted);
    }

    [Fact]
    public void Left_EachCondition_TimeUntilItChanges()
    {
        Guard.SetOnCpu(true, _now);
        Assert.Equal(0, Guard.Left(_now));
        Guard.SetOnCpu(false, _now);
        Assert.Equal((PlacementCondition.Steady, 0), (Guard.ConditionAt(_now), _state.Model.Restricted));
        Guard.Return(_now, Rules.SlowStart);
        Assert.Equal(7 * Rule.Second, Guard.Left(_now + (3 * Rule.Second)));
        FailUntilOpen();
        Assert.Equal(2 * Rule.Second, Guard.Left(_now));
        Assert.Equal(0, Guard.Left(_now + (3 * Rule.Second))); // half open
    }

    [Fact]
    public void ConditionFor_SlowStartAtMeasuredParallelism_Busy()
    {
        Guard.Return(_now, Rules.SlowStart);
        Guard.Limit(1, _now + (60 * Rule.Second), _now);
        Enter();
        Assert.Equal((PlacementCondition.SlowStart, PlacementCondition.Busy), (Guard.ConditionAt(_now), Guard.ConditionFor(_now)));
    }

    [Fact]
    public void Limit_SameAfterItsEnd_New()
    {
        Assert.True(Guard.Limit(2, _now + Rule.Second, _now));
        _now += Rule.Second;
        Assert.Equal(0, Guard.LimitAt(_now));
        Assert.True(Guard.Limit(2, _now + Rule.Second, _now));
        Assert.Equal(2, Guard.LimitAt(_now));
    }

    [Fact]
    public void IsAtLimit_SlowStartOfInstance_CountsRequestsOfAllModels()
    {
        Guard.Return(_now, Rules.SlowStart);
        Assert.False(Guard.IsAtLimit(_instance, _now));
        Assert.Equal(1, Guard.InstanceLimit(_instance, _now));
        _instance.TryTakeSlot();
        Assert.True(Guard.IsAtLimit(_instance, _now));
        Assert.Equal(0, _state.Active);
    }

    [Fact]
    public void IsAtLimit_SlowStartOfModel_CountsItsRequestsOnly()
    {
        FailUntilOpen();
        _now += 2 * Rule.Second;
        var probe = Enter();
        Guard.Answering(probe, _now, Rules);
        Leave(probe);
        _instance.TryTakeSlot();
        Assert.Equal((PlacementCondition.SlowStart, int.MaxValue), (Guard.ConditionAt(_now), Guard.InstanceLimit(_instance, _now)));
        Assert.False(Guard.IsAtLimit(_instance, _now));
        Enter();
        Assert.True(Guard.IsAtLimit(_instance, _now));
    }

    [Fact]
    public void Answering_RequestBeforeOpening_DoesNotClose()
    {
        var before = Enter();
        FailUntilOpen();
        Assert.False(Guard.Answering(before, _now, Rules));
        Assert.Equal(PlacementCondition.Open, Guard.ConditionAt(_now));
    }

    [Fact]
    public void Leave_ProbeOfEarlierOpening_NewProbeContinues()
    {
        FailUntilOpen();
        _now += 2 * Rule.Second;
        var first = Enter();
        Assert.True(Guard.Failed(first, InstanceFailure.Broken, _now, Rules, 0));
        _now += 4 * Rule.Second;
        Assert.True(Enter().IsProbe);
        Leave(first);
        Assert.Equal(PlacementCondition.Probing, Guard.ConditionAt(_now));
    }

    [Fact]
    public void UsualSpeed_Responses_TheirMean()
    {
        Assert.True(double.IsNaN(Guard.UsualSpeed));
        Answer(90);
        Answer(110);
        Answer(0); // unknown
        Assert.Equal(100, Guard.UsualSpeed, 6);
    }

    [Fact]
    public void Unloaded_Slow_SteadyAgain()
    {
        MakeSlow();
        Assert.Equal((PlacementCondition.Slow, 30 * Rule.Second), (Guard.ConditionAt(_now), Guard.Left(_now)));
        Guard.Unloaded(_now);
        Assert.Equal((PlacementCondition.Steady, 0), (Guard.ConditionAt(_now), _state.Model.Restricted));
        Assert.Equal(GuardChange.None, Answer(50)); // the slow responses before the load no longer count
    }

    [Fact]
    public void Return_AnotherProcessDuringProbe_NextRequestProbes()
    {
        MakeSlow();
        _now += 30 * Rule.Second;
        Assert.True(Enter().IsProbe);
        Assert.Equal(PlacementCondition.Slow, Guard.ConditionAt(_now));
        Guard.Return(_now, Rules.SlowStart);
        Assert.Equal(PlacementCondition.Slow, Guard.ConditionAt(_now));
        Guard.Return(_now, Rules.SlowStart, isAnother: true);
        Assert.Equal(PlacementCondition.SlowDue, Guard.ConditionAt(_now));
    }

    [Fact]
    public void Return_MeasuredParallelism_Forgotten()
    {
        Guard.Limit(1, _now + (60 * Rule.Second), _now);
        Guard.Return(_now, slowStart: 0);
        Assert.Equal((0, 0), (Guard.LimitAt(_now), _state.Model.Restricted));
    }

    [Fact]
    public void Busy_ShorterThanRunningPeriod_PeriodKept()
    {
        Guard.Busy(3 * Rule.Second, _now, Rules, 0);
        Guard.Busy(Rule.Second, _now, Rules, 0);
        Assert.Equal(3 * Rule.Second, Guard.Left(_now));
        Guard.Busy(5 * Rule.Second, _now, Rules, 0);
        Assert.Equal(5 * Rule.Second, Guard.Left(_now));
    }

    [Fact]
    public void Failed_TimeOutsOnly_OpenAfterFewer()
    {
        Assert.False(Guard.Failed(Guard.Entry, InstanceFailure.TimedOut, _now, Rules, 0));
        Assert.True(Guard.Failed(Guard.Entry, InstanceFailure.TimedOut, _now, Rules, 0));
        Assert.False(Guard.Entry.IsProbe);
    }

    [Fact]
    public void Failed_TwoServerErrors_StaysClosed()
    {
        Assert.False(Guard.Failed(Guard.Entry, InstanceFailure.ServerError, _now, Rules, 0));
        Assert.False(Guard.Failed(Guard.Entry, InstanceFailure.ServerError, _now, Rules, 0));
    }

    [Fact]
    public void ConditionFor_OpenOrProbingAtMeasuredParallelism_NotBusy()
    {
        Guard.Limit(1, _now + (60 * Rule.Second), _now);
        var running = Enter();
        while (!Guard.Failed(Guard.Entry, InstanceFailure.Broken, _now, Rules, 0))
        {
            // Until the circuit opens.
        }

        Assert.Equal(PlacementCondition.Open, Guard.ConditionFor(_now));
        Leave(running);
        _now += 2 * Rule.Second;
        Enter();
        Assert.True(Guard.IsFull(_now));
        Assert.Equal(PlacementCondition.Probing, Guard.ConditionFor(_now));
    }

    [Fact]
    public void Return_AnotherProcessAfterOpening_OnTrial()
    {
        FailUntilOpen();
        Guard.Return(_now, Rules.SlowStart, isAnother: true);
        Assert.False(Guard.Failed(Guard.Entry, InstanceFailure.Broken, _now, Rules, 0));
        Assert.True(Guard.Failed(Guard.Entry, InstanceFailure.Broken, _now, Rules, 0));
    }

    [Fact]
    public void WasRestricted_RestrictedAgainAndRecovered_True()
    {
        Guard.Busy(Rule.Second, _now, Rules, 0);
        Guard.Busy(Rule.Second, _now, Rules, 0);
        Assert.True(Guard.WasRestricted);
        _now += Rule.Second;
        Guard.Refresh(_now);
        Assert.True(Guard.WasRestricted);
    }

    [Fact]
    public void Succeeded_SlowButNotProbe_NextProbeNotDelayed()
    {
        MakeSlow();
        _now += 20 * Rule.Second;
        Assert.Equal(GuardChange.None, Guard.Succeeded(Guard.Entry, 1, _now, Rules));
        Assert.Equal(10 * Rule.Second, Guard.Left(_now));
    }

    [Fact]
    public void Leave_SlowProbeWithoutResult_NextRequestProbes()
    {
        MakeSlow();
        _now += 30 * Rule.Second;
        Leave(Enter());
        Assert.Equal(PlacementCondition.SlowDue, Guard.ConditionAt(_now));
        Assert.True(Enter().IsProbe);
    }

    [Fact]
    public void Retire_Open_NoLongerCounted()
    {
        FailUntilOpen();
        _state.Retire();
        Assert.Equal(0, _state.Model.Restricted);
        Guard.SetOnCpu(true, _now);
        Assert.Equal(0, _state.Model.Restricted);
    }

    [Fact]
    public void TryEnter_HalfOpenFromManyThreads_NeverTwoProbes()
    {
        for (var round = 0; round < 200; round++)
        {
            FailUntilOpen();
            _now = Guard.Left(_now) + _now;
            var probes = 0;
            InParallel(() =>
            {
                if (_state.TryEnter(_now, slowly: true, out var entry) && entry.IsProbe)
                    Interlocked.Increment(ref probes);
            });
            Assert.Equal(1, probes);
            _now += 1000 * Rule.Second;
            Guard.Return(_now, 0);
            var epoch = Guard.Entry with { IsProbe = true };
            Assert.Equal(GuardChange.Closed, Guard.Succeeded(epoch, 0, _now, Rules));
            _now += Rules.SlowStart;
            Guard.Succeeded(Guard.Entry, 0, _now, Rules);
            while (_state.Active > 0)
                _state.Leave(_now, answered: false);
        }
    }

    [Fact]
    public void TryEnter_SlowStartFromManyThreads_WithinLimit()
    {
        FailUntilOpen();
        _now += 2 * Rule.Second;
        var probe = Enter();
        Guard.Succeeded(probe, 0, _now, Rules);
        Leave(probe);
        _now += 3 * Rule.Second; // 1 + 7 × 0.3: three
        var entered = 0;
        InParallel(() =>
        {
            for (var i = 0; i < 1000; i++)
                if (_state.TryEnter(_now, slowly: true, out _))
                    Interlocked.Increment(ref entered);
        });
        Assert.Equal(3, entered);
    }

    private GuardChange Answer(double speed)
    {
        var entry = Enter();
        var change = Guard.Succeeded(entry, speed, _now, Rules);
        Leave(entry);
        return change;
    }

    private void MakeSlow()
    {
        for (var i = 0; i < 60; i++)
            Guard.Succeeded(Guard.Entry, i < 30 ? 100 : 1, _now, Rules);
    }

    private void FailUntilOpen()
    {
        while (Guard.ConditionAt(_now) != PlacementCondition.Open)
        {
            var entry = Enter();
            Guard.Failed(entry, InstanceFailure.ServerError, _now, Rules, 0);
            Leave(entry);
        }
    }

    private bool TryEnter(out GuardEntry entry) => _state.TryEnter(_now, slowly: true, out entry);

    private GuardEntry Enter() => TryEnter(out var entry) ? entry : throw new InvalidOperationException($"{Guard.ConditionAt(_now)}");

    private void Leave(GuardEntry entry)
    {
        Guard.Leave(entry, _now);
        _state.Leave(_now, answered: false);
    }

    private static void InParallel(ThreadStart work)
    {
        var threads = Enumerable.Range(0, Threads).Select(_ => new Thread(work)).ToArray();
        foreach (var thread in threads)
            thread.Start();
        foreach (var thread in threads)
            thread.Join();
    }
}

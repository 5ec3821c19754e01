using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Resumption;
using OllamaBridge.Gateway.Resumption.Liveness;

namespace OllamaBridge.Gateway.Tests.Resumption;

public sealed class StallPolicyTests
{
    private static readonly ResumptionOptions Options = new();
    private static readonly LivenessOptions Liveness = new();

    private static readonly StallFacts Streaming = new(
        HasBegun: true, Silence: TimeSpan.Zero, Pace: Seconds(0.02), Status: InstanceStatus.Healthy, IsWarm: true,
        UsualFirstToken: Seconds(0.2), HasTools: false, CanGoElsewhere: true, IsDrainOver: false);

    private static readonly StallFacts Waiting = Streaming with { HasBegun = false };

    [Theory]
    [InlineData(0.02, 4.9, false)]
    [InlineData(0.02, 5.1, true)]
    [InlineData(2, 30, false)] // two seconds per token, without a GPU
    [InlineData(2, 61, true)]
    public void Judge_SilentStream_StalledOnlyBeyondItsPace(double pace, double silence, bool stalled) =>
        Assert.Equal(stalled ? Interruption.Stalled : null, StallPolicy.Judge(Streaming with { Pace = Seconds(pace), Silence = Seconds(silence) }, Options, Liveness));

    [Fact]
    public void Judge_PaceUnknown_LongerLimit()
    {
        Assert.Null(StallPolicy.Judge(Streaming with { Pace = null, Silence = Seconds(19) }, Options, Liveness));
        Assert.Equal(Interruption.Stalled, StallPolicy.Judge(Streaming with { Pace = null, Silence = Seconds(21) }, Options, Liveness));
    }

    [Fact]
    public void Judge_NoAlternative_Waits() =>
        Assert.Null(StallPolicy.Judge(Streaming with { CanGoElsewhere = false, Silence = Seconds(100) }, Options, Liveness));

    [Fact]
    public void Judge_ToolsInRequest_SilenceIsNoStall()
    {
        Assert.Null(StallPolicy.Judge(Streaming with { HasTools = true, Silence = Seconds(100) }, Options, Liveness));
        Assert.Null(StallPolicy.Judge(Waiting with { HasTools = true, Silence = Seconds(100) }, Options, Liveness));
    }

    [Theory]
    [InlineData(0.2, 14, false)]
    [InlineData(0.2, 16, true)]
    [InlineData(6, 59, false)] // a long prompt
    [InlineData(6, 61, true)]
    public void Judge_LateFirstToken_GivenUpOnlyBeyondUsualTime(double usual, double silence, bool late) =>
        Assert.Equal(late ? Interruption.Stalled : null, StallPolicy.Judge(Waiting with { UsualFirstToken = Seconds(usual), Silence = Seconds(silence) }, Options, Liveness));

    [Fact]
    public void Judge_FirstTokenOfColdModelOrNoAlternative_Waits()
    {
        var late = Waiting with { Silence = Seconds(100) };
        Assert.NotNull(StallPolicy.Judge(late, Options, Liveness));
        Assert.Null(StallPolicy.Judge(late with { IsWarm = false }, Options, Liveness));
        Assert.Null(StallPolicy.Judge(late with { CanGoElsewhere = false }, Options, Liveness));
        Assert.Null(StallPolicy.Judge(late with { UsualFirstToken = null }, Options, Liveness));
    }

    [Fact]
    public void Judge_InstanceUnhealthy_LostOnceSilent()
    {
        var dead = Streaming with { Status = InstanceStatus.Unhealthy, HasTools = true };
        Assert.Null(StallPolicy.Judge(dead with { Silence = Seconds(0.1) }, Options, Liveness));
        Assert.Equal(Interruption.InstanceLost, StallPolicy.Judge(dead with { Silence = Seconds(0.6) }, Options, Liveness));
        Assert.Null(StallPolicy.Judge(dead with { Silence = Seconds(3), Status = InstanceStatus.Ejected }, Options, Liveness));
        // An instance that was removed from the fleet completes its requests.
        Assert.Null(StallPolicy.Judge(dead with { Silence = Seconds(3), Status = null }, Options, Liveness));
        Assert.Null(StallPolicy.Judge(dead with { Silence = Seconds(3), HasBegun = false, CanGoElsewhere = false }, Options, Liveness));
    }

    [Fact]
    public void Judge_DrainDeadlinePassed_MovedIfPossible()
    {
        Assert.Equal(Interruption.Drained, StallPolicy.Judge(Streaming with { IsDrainOver = true }, Options, Liveness));
        Assert.Null(StallPolicy.Judge(Streaming with { IsDrainOver = true, CanGoElsewhere = false }, Options, Liveness));
    }

    [Theory]
    [InlineData(false, true, 3600, false)] // a long prompt: never interrupted
    [InlineData(false, false, 3600, false)]
    [InlineData(true, true, 14, false)] // a pause in a stream is tolerated
    [InlineData(true, true, 16, true)]
    [InlineData(true, false, 44, false)]
    [InlineData(true, false, 46, true)]
    public void Judge_LivenessSucceeds_OnlyStreamsStall(bool hasBegun, bool elsewhere, double silence, bool stalled)
    {
        var facts = Streaming with { HasBegun = hasBegun, CanGoElsewhere = elsewhere, Silence = Seconds(silence), TotalSilence = Seconds(silence), Liveness = LivenessState.Alive, UsualFirstToken = null };
        Assert.Equal(stalled ? Interruption.Stalled : null, StallPolicy.Judge(facts, Options, Liveness));
        Assert.Null(StallPolicy.Judge(facts with { HasTools = true }, Options, Liveness));
    }

    [Theory]
    [InlineData(0.2, 299, false)]
    [InlineData(0.2, 301, true)] // 20 × 15 s
    [InlineData(6, 1199, false)] // 20 × 10 × 6 s
    [InlineData(6, 1201, true)]
    public void Judge_FarBeyondUsualFirstToken_StalledUnlessUnstreamed(double usual, double silence, bool late)
    {
        var facts = Waiting with { Liveness = LivenessState.Alive, UsualFirstToken = Seconds(usual), Silence = Seconds(silence) };
        Assert.Equal(late ? Interruption.Stalled : null, StallPolicy.Judge(facts, Options, Liveness));
        Assert.Null(StallPolicy.Judge(facts with { ComesWhole = true }, Options, Liveness));
        Assert.Null(StallPolicy.Judge(facts with { CanGoElsewhere = false }, Options, Liveness));
    }

    [Fact]
    public void Judge_StalledBefore_LimitDoubles()
    {
        var facts = Streaming with { Liveness = LivenessState.Alive, Silence = Seconds(29), EarlierStalls = 1 };
        Assert.Null(StallPolicy.Judge(facts, Options, Liveness));
        Assert.Equal(Interruption.Stalled, StallPolicy.Judge(facts with { Silence = Seconds(31) }, Options, Liveness));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Judge_ProbeUnanswered_StalledEarlierWithAlternative(bool hasBegun)
    {
        var facts = Streaming with { HasBegun = hasBegun, Liveness = LivenessState.Unresponsive, Silence = Seconds(11), TotalSilence = Seconds(11), HasTools = true, UsualFirstToken = null };
        Assert.Equal(Interruption.Stalled, StallPolicy.Judge(facts, Options, Liveness));
        Assert.Equal(Interruption.Stalled, StallPolicy.Judge(facts with { ComesWhole = true }, Options, Liveness));
        var alone = facts with { CanGoElsewhere = false };
        Assert.Null(StallPolicy.Judge(alone, Options, Liveness));
        Assert.Null(StallPolicy.Judge(alone with { TotalSilence = Seconds(39) }, Options, Liveness));
        Assert.Equal(Interruption.Stalled, StallPolicy.Judge(alone with { TotalSilence = Seconds(41) }, Options, Liveness));
    }

    [Fact]
    public void Judge_Loading_StalledBeyondLoadLimitIfAnotherCanLoad()
    {
        var facts = Waiting with { Liveness = LivenessState.Loading, LoadLimit = Seconds(35), Silence = Seconds(34), TotalSilence = Seconds(300) };
        Assert.Null(StallPolicy.Judge(facts, Options, Liveness));
        Assert.Equal(Interruption.Stalled, StallPolicy.Judge(facts with { Silence = Seconds(36) }, Options, Liveness));
        Assert.Null(StallPolicy.Judge(facts with { Silence = Seconds(36), CanGoElsewhere = false }, Options, Liveness));
    }

    [Fact]
    public void Judge_UnhealthyButLivenessSucceeds_NotLost()
    {
        var facts = Waiting with { Status = InstanceStatus.Unhealthy, Silence = Seconds(10), Liveness = LivenessState.Loading, LoadLimit = Seconds(35) };
        Assert.Equal(Interruption.InstanceLost, StallPolicy.Judge(facts, Options, Liveness));
        Assert.Null(StallPolicy.Judge(facts with { IsServerUp = true }, Options, Liveness));
    }

    [Fact]
    public void Judge_UnhealthyBetweenTokensOfSlowStream_NotLost()
    {
        var slow = Streaming with { Status = InstanceStatus.Unhealthy, Pace = Seconds(1), Silence = Seconds(2) };
        Assert.Null(StallPolicy.Judge(slow, Options, Liveness));
        Assert.Equal(Interruption.InstanceLost, StallPolicy.Judge(slow with { Silence = Seconds(6) }, Options, Liveness));
    }

    [Fact]
    public void Judge_CheckPending_Waits() =>
        Assert.Null(StallPolicy.Judge(Streaming with { Liveness = LivenessState.Pending, Silence = Seconds(100) }, Options, Liveness));

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Defaults_FrozenRunner_FoundWithinTwentySeconds(bool hasBegun) =>
        Assert.True(StallPolicy.CheckAfter(hasBegun, Options, Liveness) + Liveness.CheckTimeout < Seconds(15));

    private static TimeSpan Seconds(double seconds) => TimeSpan.FromSeconds(seconds);
}

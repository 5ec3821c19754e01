using OllamaBridge.Gateway.Queueing;

namespace OllamaBridge.Gateway.Tests.Queueing;

public class WaitPolicyTests
{
    private static readonly QueueOptions Options = new()
    {
        MaxWait = TimeSpan.FromSeconds(60),
        MaxWaitWithoutInstance = TimeSpan.FromSeconds(5),
        FallbackAfter = TimeSpan.FromSeconds(2),
    };

    [Theory]
    [InlineData(null, null, false, LeaseRefusal.None)]
    [InlineData(9, 9, false, LeaseRefusal.None)]
    [InlineData(10, 9, false, LeaseRefusal.DeadlineTooSoon)]
    [InlineData(10, 9, true, LeaseRefusal.DeadlineTooSoon)]
    [InlineData(null, 0, true, LeaseRefusal.None)]
    [InlineData(2, null, true, LeaseRefusal.None)]
    [InlineData(3, null, true, LeaseRefusal.FallbackPreferred)]
    [InlineData(3, null, false, LeaseRefusal.None)]
    internal void CheckArrival_Estimate_ComparedWithDeadlineAndFallbackLimit(int? estimate, int? untilDeadline, bool canFallBack, LeaseRefusal expected) =>
        Assert.Equal(expected, WaitPolicy.CheckArrival(Seconds(estimate), Seconds(untilDeadline), canFallBack ? () => true : null, Options));

    [Fact]
    public void CheckArrival_FallbackUnavailable_MayWait() =>
        Assert.Equal(LeaseRefusal.None, WaitPolicy.CheckArrival(TimeSpan.FromSeconds(3), null, () => false, Options));

    [Fact]
    public void CheckWait_PastDeadline_Refused() =>
        Assert.Equal(LeaseRefusal.DeadlinePassed, WaitPolicy.CheckWait(new WaitProgress { IsPastDeadline = true, AllowFallback = () => true }, Options));

    [Theory]
    [InlineData(1.9, LeaseRefusal.None)]
    [InlineData(2, LeaseRefusal.FallbackPreferred)]
    internal void CheckWait_FallbackAvailable_GivesWayAfterLimit(double waited, LeaseRefusal expected) =>
        Assert.Equal(expected, WaitPolicy.CheckWait(new WaitProgress { Waited = TimeSpan.FromSeconds(waited), AllowFallback = () => true }, Options));

    [Theory]
    [InlineData(59, 0, LeaseRefusal.None)]
    [InlineData(60, 0, LeaseRefusal.WaitedTooLong)]
    [InlineData(69, 10, LeaseRefusal.None)]
    [InlineData(70, 10, LeaseRefusal.WaitedTooLong)]
    internal void CheckWait_MaxWait_ExcludesTierStart(int waited, int starting, LeaseRefusal expected) => Assert.Equal(
        expected, WaitPolicy.CheckWait(new WaitProgress { Waited = TimeSpan.FromSeconds(waited), Starting = TimeSpan.FromSeconds(starting) }, Options));

    [Theory]
    [InlineData(4, LeaseRefusal.None)]
    [InlineData(5, LeaseRefusal.NoneHealthy)]
    internal void CheckWait_NoInstance_RefusedAfterLimit(int without, LeaseRefusal expected) => Assert.Equal(
        expected,
        WaitPolicy.CheckWait(new WaitProgress { Waited = TimeSpan.FromSeconds(without), WithoutInstance = TimeSpan.FromSeconds(without) }, Options));

    [Theory]
    [InlineData(89, LeaseRefusal.None)]
    [InlineData(90, LeaseRefusal.NotStarted)]
    internal void CheckWait_TierStarts_RefusedAfterStartTimeout(int starting, LeaseRefusal expected) => Assert.Equal(
        expected,
        WaitPolicy.CheckWait(
            new WaitProgress
            {
                Waited = TimeSpan.FromSeconds(starting),
                WithoutInstance = TimeSpan.FromSeconds(20),
                Starting = TimeSpan.FromSeconds(starting),
                StartTimeout = TimeSpan.FromSeconds(90),
            },
            Options));

    private static TimeSpan? Seconds(int? seconds) => seconds is { } value ? TimeSpan.FromSeconds(value) : null;
}

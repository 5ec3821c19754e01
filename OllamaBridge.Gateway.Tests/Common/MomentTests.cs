using Microsoft.Extensions.Time.Testing;
using OllamaBridge.Gateway.Common;

namespace OllamaBridge.Gateway.Tests.Common;

public sealed class MomentTests
{
    private static readonly TimeSpan Hour = TimeSpan.FromHours(1);

    [Fact]
    public void GetMoment_TimePasses_DiffersByElapsedTime()
    {
        var clock = new FakeTimeProvider();
        var before = clock.GetMoment();
        clock.Advance(TimeSpan.FromSeconds(5));
        Assert.Equal(TimeSpan.FromSeconds(5), clock.GetMoment() - before);
        Assert.True(before < clock.GetMoment());
        Assert.True(default(Moment) < before);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(-1)]
    public void GetMoment_WallClockSet_Unchanged(int hours)
    {
        var clock = new JumpingClock();
        var (moment, wall) = (clock.GetMoment(), clock.GetWallClock());
        clock.Set(hours * Hour);
        Assert.Equal(moment, clock.GetMoment());
        Assert.Equal(hours * Hour, clock.GetWallClock() - wall);
    }

    [Fact]
    public void Add_Overflow_MaxValue() =>
        Assert.Equal(TimeSpan.MaxValue, (new Moment(Hour) + TimeSpan.MaxValue).SinceOrigin);
}

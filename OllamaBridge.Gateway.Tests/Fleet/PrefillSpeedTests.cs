using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Tests.Fleet;

public class PrefillSpeedTests
{
    private readonly PrefillSpeed _speed = new();

    [Fact]
    public void Expected_NothingLearned_Null()
    {
        Assert.Null(_speed.Expected(1000));
        Assert.Equal(0, _speed.SecondsPerByte);
        Assert.True(double.IsNaN(_speed.TokensPerSecond));
    }

    [Fact]
    public void Expected_OnePrompt_ProportionalToLength()
    {
        _speed.Add(tokens: 1000, bytes: 4000, TimeSpan.FromSeconds(2));

        Assert.Equal(500, _speed.TokensPerSecond, 6);
        Assert.Equal(TimeSpan.FromSeconds(20), _speed.Expected(40_000));
    }

    [Fact]
    public void Add_CachedPrompt_LowWeight()
    {
        _speed.Add(1000, 4000, TimeSpan.FromSeconds(2));
        _speed.Add(1000, 4000, TimeSpan.FromMilliseconds(1));

        Assert.InRange(_speed.TokensPerSecond, 500, 560);
    }

    [Fact]
    public void Add_SlowerPrompt_HighWeight()
    {
        _speed.Add(1000, 4000, TimeSpan.FromSeconds(2));
        for (var i = 0; i < 3; i++)
            _speed.Add(1000, 4000, TimeSpan.FromSeconds(20));

        Assert.InRange(_speed.TokensPerSecond, 50, 60);
    }

    [Theory]
    [InlineData(PrefillSpeed.FewestTokens - 1, 4000, 1)]
    [InlineData(1000, 0, 1)]
    [InlineData(1000, 4000, 0)]
    public void Add_NoInformation_Ignored(long tokens, long bytes, double seconds)
    {
        _speed.Add(tokens, bytes, TimeSpan.FromSeconds(seconds));
        Assert.Null(_speed.Expected(1));
    }

    [Fact]
    public void Expected_Overflow_OneDay()
    {
        _speed.Add(64, 1, TimeSpan.FromHours(1));
        Assert.Equal(TimeSpan.FromDays(1), _speed.Expected(long.MaxValue));
    }
}

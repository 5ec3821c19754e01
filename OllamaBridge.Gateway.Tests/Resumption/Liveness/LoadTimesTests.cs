using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Resumption.Liveness;

namespace OllamaBridge.Gateway.Tests.Resumption.Liveness;

public sealed class LoadTimesTests
{
    private const long Now = 1000;
    private const long Gigabyte = 1_000_000_000;
    private readonly LoadTimes _times = new(Options.Create(new LivenessOptions()));

    [Theory]
    [InlineData(1000, 35)]
    [InlineData(4 * Gigabyte, 35)]
    [InlineData(40 * Gigabyte, 300)] // 3 × 40 GB at 400 MB/s
    public void Limit_NothingLearned_BySizeWithMinimum(long bytes, double seconds) =>
        Assert.Equal(seconds, _times.Limit("m", bytes, Now).TotalSeconds, 3);

    [Fact]
    public void Limit_LoadObserved_ThreeTimesThat()
    {
        _times.Add("m", 4 * Gigabyte, TimeSpan.FromSeconds(60));
        Assert.Equal(180, _times.Limit("m", 4 * Gigabyte, Now).TotalSeconds, 3);
        _times.Add("m", 4 * Gigabyte, TimeSpan.FromSeconds(2));
        // One fast load from the page cache does not replace the learned time.
        Assert.InRange(_times.Limit("m", 4 * Gigabyte, Now).TotalSeconds, 120, 179);
        _times.Add("m", 4 * Gigabyte, TimeSpan.FromSeconds(100));
        Assert.Equal(300, _times.Limit("m", 4 * Gigabyte, Now).TotalSeconds, 3);
    }

    [Fact]
    public void Limit_OtherModelObserved_ItsRateTimesSize()
    {
        _times.Add("m", 10 * Gigabyte, TimeSpan.FromSeconds(100));
        Assert.Equal(3 * 200, _times.Limit("other", 20 * Gigabyte, Now).TotalSeconds, 3);
    }

    [Fact]
    public void Limit_LoadTimedOut_DoubledUntilOneCompletes()
    {
        _times.AddGivenUp("m", startedAt: 1, at: 36, TimeSpan.FromSeconds(35));
        Assert.Equal(70, _times.Limit("m", 1000, startedAt: 37).TotalSeconds, 3);
        _times.AddGivenUp("m", startedAt: 37, at: 107, TimeSpan.FromSeconds(70));
        Assert.Equal(140, _times.Limit("m", 1000, startedAt: 108).TotalSeconds, 3);
        _times.Add("m", 1000, TimeSpan.FromSeconds(5));
        Assert.Equal(35, _times.Limit("m", 1000, Now).TotalSeconds, 3);
    }

    [Fact]
    public void Limit_OthersWaitForTimedOutLoad_SameLimit()
    {
        _times.AddGivenUp("m", startedAt: 1, at: 36, TimeSpan.FromSeconds(35));
        Assert.Equal(35, _times.Limit("m", 1000, startedAt: 2).TotalSeconds, 3);
        _times.AddGivenUp("m", startedAt: 2, at: 38, TimeSpan.FromSeconds(36));
        Assert.Equal(35, _times.Limit("m", 1000, startedAt: 3).TotalSeconds, 3);
        Assert.Equal(70, _times.Limit("m", 1000, startedAt: 39).TotalSeconds, 3);
    }
}

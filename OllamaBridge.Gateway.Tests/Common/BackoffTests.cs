using FsCheck;
using FsCheck.Fluent;
using OllamaBridge.Gateway.Common;

namespace OllamaBridge.Gateway.Tests.Common;

public class BackoffTests
{
    private static readonly TimeSpan First = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(30);

    [Theory]
    [InlineData(-1, 0.1)]
    [InlineData(0, 0.1)]
    [InlineData(1, 0.2)]
    [InlineData(5, 3.2)]
    [InlineData(8, 25.6)]
    [InlineData(9, 30)]
    [InlineData(int.MaxValue, 30)]
    public void Next_EarlierFailures_DoublesUpToTheLongest(int earlier, double seconds) =>
        Assert.Equal(TimeSpan.FromSeconds(seconds), Backoff.Next(First, Longest, earlier));

    [Fact]
    public void Next_AnyCount_WithinBoundsAndNeverShorter() => Prop.ForAll(ArbMap.Default.ArbFor<int>(), earlier =>
    {
        var time = Backoff.Next(First, Longest, earlier);
        return time >= First && time <= Longest && Backoff.Next(First, Longest, earlier == int.MaxValue ? earlier : earlier + 1) >= time;
    }).Check(Config.QuickThrowOnFailure.WithQuietOnSuccess(true));
}

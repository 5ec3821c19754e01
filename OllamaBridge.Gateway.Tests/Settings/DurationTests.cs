using System.Globalization;
using System.Text.RegularExpressions;
using FsCheck;
using FsCheck.Fluent;
using OllamaBridge.Gateway.Settings;

namespace OllamaBridge.Gateway.Tests.Settings;

public sealed class DurationTests
{
    [Theory]
    [InlineData("30s", "00:00:30")]
    [InlineData("5m", "00:05:00")]
    [InlineData("1h30m", "01:30:00")]
    [InlineData("500ms", "00:00:00.500")]
    [InlineData("1d", "1.00:00:00")]
    [InlineData("1.5h", "01:30:00")]
    [InlineData("90m", "01:30:00")]
    [InlineData("1d2h3m4s5ms", "1.02:03:04.005")]
    [InlineData(" 2s ", "00:00:02")]
    [InlineData("0", "00:00:00")]
    [InlineData("0s", "00:00:00")]
    [InlineData("00:00:00.5", "00:00:00.500")]
    [InlineData("1.02:03:04", "1.02:03:04")]
    [InlineData("01:30", "01:30:00")]
    public void TryParse_Duration_Read(string text, string expected)
    {
        Assert.True(Duration.TryParse(text, out var read));
        Assert.Equal(TimeSpan.Parse(expected, CultureInfo.InvariantCulture), read);
        Assert.Matches(Duration.Pattern, text);
    }

    [Theory]
    [InlineData("5")] // .NET parses five days
    [InlineData("30")]
    [InlineData("1.5")]
    [InlineData("-1")]
    [InlineData("24:00:00")] // .NET parses 24 days
    [InlineData("00:60")]
    [InlineData("")]
    [InlineData(" ")]
    [InlineData("s")]
    [InlineData("5 m")]
    [InlineData("5M")]
    [InlineData("30m1h")]
    [InlineData("1h1h")]
    [InlineData("-5s")]
    [InlineData("1e3s")]
    [InlineData("5sec")]
    [InlineData("99999999999999999999999d")]
    [InlineData("99999999999d")]
    [InlineData("soon")]
    public void TryParse_InvalidDuration_False(string text) => Assert.False(Duration.TryParse(text, out _));

    [Fact]
    public void Format_AnyDuration_RoundTrips() =>
        Prop.ForAll(Gen.Choose(0, int.MaxValue).ToArbitrary(), milliseconds =>
        {
            var duration = TimeSpan.FromMilliseconds(milliseconds);
            var text = Duration.Format(duration);
            return Duration.TryParse(text, out var read) && read == duration && Regex.IsMatch(text, Duration.Pattern);
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void TryParse_AnyText_MatchesSchemaPattern() =>
        Prop.ForAll(Gen.Elements("1", "23", "60", "0", ".5", ":", "d", "h", "m", "s", "ms", "-", " ").ListOf().ToArbitrary(), parts =>
        {
            var text = string.Concat(parts);
            return Duration.TryParse(text, out _) == (Regex.IsMatch(text, Duration.Pattern) && text.Trim().Length > 0);
        }).QuickCheckThrowOnFailure();
}

using OllamaBridge.Gateway.Admin;

namespace OllamaBridge.Gateway.Tests.Admin;

public sealed class DrainRequestTests
{
    private static readonly DateTimeOffset Now = new(2027, 1, 31, 12, 0, 0, TimeSpan.Zero);

    [Theory]
    [InlineData("0", 0)]
    [InlineData("25", 25)]
    [InlineData("1.5", 1.5)]
    [InlineData("86400", 86_400)]
    [InlineData("2027-01-31T12:00:30Z", 30)]
    [InlineData("2027-01-31t12:00:30.25z", 30.25)]
    [InlineData("2027-01-31T13:00:30+01:00", 30)]
    [InlineData("2027-01-31T11:59:00Z", -60)] // past: immediately
    public void Read_SecondsOrTimestamp_Deadline(string deadline, double seconds)
    {
        var asked = DrainRequest.Read(deadline, null, Now, out var mistake);
        Assert.Null(mistake);
        Assert.Equal(Now.AddSeconds(seconds), asked!.Deadline);
        Assert.False(asked.Waits);
        Assert.True(DrainRequest.Read(deadline, "true", Now, out _)!.Waits);
    }

    [Theory]
    [InlineData("-1", null, "deadline")]
    [InlineData("", null, "deadline")]
    [InlineData("soon", null, "deadline")]
    [InlineData("NaN", null, "deadline")]
    [InlineData("1e3", null, "deadline")]
    [InlineData("99999999999999999999999999999999999", null, "deadline")]
    [InlineData("86401", null, "within a day")]
    [InlineData("2027-02-02T12:00:00Z", null, "within a day")]
    [InlineData("2027-01-31T12:00:30", null, "deadline")] // without a time zone
    [InlineData("2027-01-31", null, "deadline")]
    [InlineData("5", "perhaps", "wait")]
    [InlineData(null, "true", "wait requires a deadline")]
    public void Read_InvalidValue_ErrorNamesIt(string? deadline, string? wait, string word)
    {
        Assert.Null(DrainRequest.Read(deadline, wait, Now, out var mistake));
        Assert.Contains(word, mistake, StringComparison.Ordinal);
    }

    [Fact]
    public void Read_NoDeadline_NoLimit()
    {
        Assert.Equal(new DrainRequest(null, false), DrainRequest.Read(null, null, Now, out _));
        Assert.Equal(new DrainRequest(null, false), DrainRequest.Read(null, "false", Now, out _));
    }
}

using System.Globalization;

namespace OllamaBridge.Gateway.Admin;

/// <summary>What is said of a drain: by when the instance is to be empty, and whether that is waited for.</summary>
/// <param name="Deadline">By when; null where it may take its time. In whole milliseconds.</param>
/// <param name="Waits">Whether the answer comes when it is empty.</param>
internal sealed record DrainRequest(DateTimeOffset? Deadline, bool Waits)
{
    // More than any stream takes; what is further off is a mistake.
    private static readonly TimeSpan MaxTime = TimeSpan.FromDays(1);

    // RFC 3339, 5.6; the fraction is optional.
    private static readonly string[] Formats = ["yyyy-MM-dd'T'HH:mm:ss.FFFFFFF'Z'", "yyyy-MM-dd'T'HH:mm:ss.FFFFFFFzzz"];

    /// <summary>Reads it. Pure.</summary>
    /// <param name="deadline">Seconds from now, or a time (RFC 3339); one that is past means at once.</param>
    /// <param name="wait"><c>true</c> or <c>false</c>.</param>
    /// <param name="now">The time.</param>
    /// <param name="mistake">Receives what is wrong.</param>
    /// <returns>Null where something is wrong.</returns>
    public static DrainRequest? Read(string? deadline, string? wait, DateTimeOffset now, out string? mistake)
    {
        mistake = null;
        var waits = false;
        if (wait is not null && !bool.TryParse(wait, out waits))
            mistake = "wait must be true or false.";
        DateTimeOffset? until = null;
        if (deadline is not null)
        {
            until = ReadTime(deadline, now);
            if (until is null)
                mistake = "deadline must be seconds from now, 0 or more, or a time as 2027-01-31T12:00:00Z.";
            else if (until - now > MaxTime)
                mistake = "deadline must be within a day.";
        }
        else if (waits)
        {
            mistake = "wait needs a deadline.";
        }

        return mistake is null ? new DrainRequest(until, waits) : null;
    }

    private static DateTimeOffset? ReadTime(string text, DateTimeOffset now)
    {
        if (decimal.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var seconds))
            return Whole(now + TimeSpan.FromSeconds((double)Math.Min(seconds, 2 * (decimal)MaxTime.TotalSeconds)));
        return DateTimeOffset.TryParseExact(
            text.ToUpperInvariant(), Formats, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time)
            ? Whole(time)
            : null;
    }

    // As it is told to other gateways.
    private static DateTimeOffset Whole(DateTimeOffset time) => DateTimeOffset.FromUnixTimeMilliseconds(time.ToUnixTimeMilliseconds());
}

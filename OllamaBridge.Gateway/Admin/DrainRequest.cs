using System.Globalization;

namespace OllamaBridge.Gateway.Admin;

/// <summary>The parameters of a drain.</summary>
/// <param name="Deadline">Time by which the instance must be empty, in whole milliseconds; null for no limit.</param>
/// <param name="Waits">Whether the response is sent only when the instance is empty.</param>
internal sealed record DrainRequest(DateTimeOffset? Deadline, bool Waits)
{
    // Longer than any stream; a later deadline is an error.
    private static readonly TimeSpan MaxTime = TimeSpan.FromDays(1);

    // RFC 3339, 5.6; the fraction is optional.
    private static readonly string[] Formats = ["yyyy-MM-dd'T'HH:mm:ss.FFFFFFF'Z'", "yyyy-MM-dd'T'HH:mm:ss.FFFFFFFzzz"];

    /// <summary><paramref name="deadline"/> is in seconds from now, or a time (RFC 3339); a past time means immediately. Null if there is an error.</summary>
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
                mistake = "deadline must be seconds from now, 0 or more, or a time such as 2027-01-31T12:00:00Z.";
            else if (until - now > MaxTime)
                mistake = "deadline must be within a day.";
        }
        else if (waits)
        {
            mistake = "wait requires a deadline.";
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

    // The precision that other gateways receive.
    private static DateTimeOffset Whole(DateTimeOffset time) => DateTimeOffset.FromUnixTimeMilliseconds(time.ToUnixTimeMilliseconds());
}

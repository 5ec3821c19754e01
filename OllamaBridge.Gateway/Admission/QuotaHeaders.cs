using System.Globalization;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Admission;

/// <summary>How far limits are used up, in the headers that a caller's clients know. Pure.</summary>
internal static class QuotaHeaders
{
    /// <summary>Tells OpenAI's and Anthropic's clients not to try again by themselves.</summary>
    public const string ShouldRetry = "x-should-retry";

    /// <summary>Writes the headers.</summary>
    /// <param name="headers">The answer's.</param>
    /// <param name="protocol">The caller's protocol.</param>
    /// <param name="levels">How far the limits are used up.</param>
    /// <param name="now">The time.</param>
    public static void Write(IHeaderDictionary headers, Protocol protocol, in QuotaLevels levels, DateTimeOffset now)
    {
        Write(headers, protocol, "requests", levels.Requests, now);
        Write(headers, protocol, "tokens", levels.Tokens, now);
    }

    /// <summary>A duration as OpenAI writes it: <c>20ms</c>, <c>6s</c>, <c>1m0s</c>, <c>23h59m1s</c>.</summary>
    public static string Duration(TimeSpan time)
    {
        if (time < TimeSpan.FromSeconds(1))
            return string.Create(CultureInfo.InvariantCulture, $"{Math.Ceiling(Math.Max(0, time.TotalMilliseconds)):0}ms");
        var seconds = (long)Math.Ceiling(time.TotalSeconds);
        FormattableString text = seconds switch
        {
            < 60 => $"{seconds}s",
            < 3600 => $"{seconds / 60}m{seconds % 60}s",
            _ => $"{seconds / 3600}h{seconds / 60 % 60}m{seconds % 60}s",
        };
        return FormattableString.Invariant(text);
    }

    private static void Write(IHeaderDictionary headers, Protocol protocol, string what, QuotaLevel? level, DateTimeOffset now)
    {
        if (level is not { } known)
            return;
        var limit = known.Limit.ToString(CultureInfo.InvariantCulture);
        var remaining = known.Remaining.ToString(CultureInfo.InvariantCulture);
        if (protocol == Protocol.Anthropic)
        {
            headers[$"anthropic-ratelimit-{what}-limit"] = limit;
            headers[$"anthropic-ratelimit-{what}-remaining"] = remaining;
            // Whole seconds: rounded up, never too early.
            headers[$"anthropic-ratelimit-{what}-reset"] =
                (now + known.Reset + TimeSpan.FromSeconds(1) - TimeSpan.FromTicks(1)).UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);
        }
        else
        {
            headers[$"x-ratelimit-limit-{what}"] = limit;
            headers[$"x-ratelimit-remaining-{what}"] = remaining;
            headers[$"x-ratelimit-reset-{what}"] = Duration(known.Reset);
        }
    }
}

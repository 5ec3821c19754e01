using System.Globalization;
using System.Text.RegularExpressions;

namespace OllamaBridge.Gateway.Settings;

/// <summary>Reads the durations of settings: <c>30s</c>, <c>1h30m</c>, <c>500ms</c>, <c>1d</c>, or .NET's <c>d.hh:mm:ss.fff</c>.</summary>
internal static partial class Duration
{
    /// <summary>The forms, for error texts and for the JSON schema.</summary>
    public const string Forms = "30s, 1h30m, 500ms, 1d or 00:00:30";

    /// <summary>A regular expression (ECMA 262) of every form.</summary>
    public const string Pattern =
        @"^\s*(0|-?([0-9]+\.)?([01]?[0-9]|2[0-3]):[0-5]?[0-9](:[0-5]?[0-9](\.[0-9]{1,7})?)?|(?=[0-9])([0-9]+(\.[0-9]+)?d)?([0-9]+(\.[0-9]+)?h)?([0-9]+(\.[0-9]+)?m)?([0-9]+(\.[0-9]+)?s)?([0-9]+(\.[0-9]+)?ms)?)\s*$";

    /// <summary>A number without a unit is refused, except 0: .NET would read 5 as five days.</summary>
    public static bool TryParse(string text, out TimeSpan duration)
    {
        duration = TimeSpan.Zero;
        var trimmed = text.Trim();
        if (trimmed == "0")
            return true;
        if (trimmed.Contains(':', StringComparison.Ordinal))
            return Clock().IsMatch(trimmed) && TimeSpan.TryParse(trimmed, CultureInfo.InvariantCulture, out duration);
        return Units().Match(trimmed) is { Success: true, Length: > 0 } match && TryAdd(match, out duration);
    }

    public static string Format(TimeSpan duration)
    {
        if (duration <= TimeSpan.Zero || duration.Ticks % TimeSpan.TicksPerMillisecond != 0)
            return duration == TimeSpan.Zero ? "0" : duration.ToString("c", CultureInfo.InvariantCulture);
        (int Count, string Unit)[] parts = [(duration.Days, "d"), (duration.Hours, "h"), (duration.Minutes, "m"), (duration.Seconds, "s"), (duration.Milliseconds, "ms")];
        return string.Concat(parts.Where(p => p.Count > 0).Select(p => string.Create(CultureInfo.InvariantCulture, $"{p.Count}{p.Unit}")));
    }

    private static bool TryAdd(Match match, out TimeSpan duration)
    {
        duration = TimeSpan.Zero;
        var ticks = 0m;
        foreach (var (unit, length) in (ReadOnlySpan<(string, long)>)
        [
            ("d", TimeSpan.TicksPerDay), ("h", TimeSpan.TicksPerHour), ("m", TimeSpan.TicksPerMinute), ("s", TimeSpan.TicksPerSecond),
            ("ms", TimeSpan.TicksPerMillisecond),
        ])
        {
            if (match.Groups[unit] is not { Success: true, Value: var number })
                continue;
            // Far above a TimeSpan's range, and far below a decimal's.
            if (number.Length > 20)
                return false;
            ticks += decimal.Parse(number, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture) * length;
        }

        if (ticks > TimeSpan.MaxValue.Ticks)
            return false;
        duration = new TimeSpan((long)ticks);
        return true;
    }

    // .NET would read 24:00:00 as 24 days.
    [GeneratedRegex(@"^-?([0-9]+\.)?([01]?[0-9]|2[0-3]):[0-5]?[0-9](:[0-5]?[0-9](\.[0-9]{1,7})?)?\z")]
    private static partial Regex Clock();

    [GeneratedRegex(
        @"^((?<d>[0-9]+(\.[0-9]+)?)d)?((?<h>[0-9]+(\.[0-9]+)?)h)?((?<m>[0-9]+(\.[0-9]+)?)m)?((?<s>[0-9]+(\.[0-9]+)?)s)?((?<ms>[0-9]+(\.[0-9]+)?)ms)?\z",
        RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant)]
    private static partial Regex Units();
}

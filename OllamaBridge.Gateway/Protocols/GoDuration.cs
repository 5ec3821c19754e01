using System.Globalization;

namespace OllamaBridge.Gateway.Protocols;

/// <summary>Parses durations in Go's format (<c>time.ParseDuration</c>) as Ollama does: a negative duration means forever.</summary>
internal static class GoDuration
{
    /// <summary>In bytes. A longer text counts as forever.</summary>
    public const int MaxText = 256;

    private static readonly (string Unit, double Seconds)[] Units =
        [("ns", 1e-9), ("us", 1e-6), ("µs", 1e-6), ("μs", 1e-6), ("ms", 1e-3), ("s", 1), ("m", 60), ("h", 3600)];

    /// <returns>Null if the text is not a duration; <see cref="TimeSpan.MaxValue"/> for forever.</returns>
    public static TimeSpan? Parse(ReadOnlySpan<char> text)
    {
        var sign = 1;
        if (text is ['-' or '+', ..])
        {
            sign = text[0] == '-' ? -1 : 1;
            text = text[1..];
        }

        if (text is "0")
            return TimeSpan.Zero;
        if (text.IsEmpty)
            return null;
        var seconds = 0.0;
        while (!text.IsEmpty)
        {
            var digits = text.IndexOfAnyExcept("0123456789.");
            if (digits <= 0 || !double.TryParse(text[..digits], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number))
                return null;
            text = text[digits..];
            var length = text.IndexOfAny("0123456789.");
            var unit = length < 0 ? text : text[..length];
            var known = false;
            foreach (var (name, factor) in Units)
                if (unit.SequenceEqual(name))
                {
                    seconds += number * factor;
                    known = true;
                    break;
                }

            if (!known)
                return null;
            text = text[unit.Length..];
        }

        return FromSeconds(sign * seconds);
    }

    public static TimeSpan FromSeconds(double seconds) =>
        seconds < 0 || seconds >= TimeSpan.MaxValue.TotalSeconds ? TimeSpan.MaxValue : TimeSpan.FromSeconds(seconds);
}

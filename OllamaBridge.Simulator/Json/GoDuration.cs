using System.Globalization;
using System.Text.Json;

namespace OllamaBridge.Simulator.Json;

/// <summary>Parses durations as Go and Ollama do: "5m", "1h30m", "-1s". A bare number is seconds; negative means for ever.</summary>
internal static class GoDuration
{
    private const double MaxSeconds = long.MaxValue / 1e9;

    /// <summary>The field keep_alive; null if it is missing.</summary>
    /// <exception cref="ApiError">400: neither a number nor a duration.</exception>
    public static TimeSpan? KeepAlive(JsonElement from)
    {
        if (!GoFields.TryGet(from, "keep_alive"u8, out var value))
            return null;
        return value.ValueKind switch
        {
            JsonValueKind.Number => Forever(value.GetDouble()),
            JsonValueKind.String => Forever(Parse(value.GetString()!).TotalSeconds),
            _ => throw new ApiError(400, $"Unsupported type: '{RequestBody.GoKind(value)}'"),
        };
    }

    /// <exception cref="ApiError">400: no duration.</exception>
    public static TimeSpan Parse(string text) =>
        TryParse(text, out var span) ? span : throw new ApiError(400, $"time: invalid duration \"{text}\"");

    public static bool TryParse(string text, out TimeSpan span)
    {
        span = default;
        var rest = text.AsSpan();
        var negative = rest.StartsWith("-");
        if (negative || rest.StartsWith("+"))
            rest = rest[1..];
        if (rest is "0")
            return true;
        if (rest.IsEmpty)
            return false;
        var seconds = 0.0;
        while (!rest.IsEmpty)
        {
            var digits = rest.IndexOfAnyExcept("0123456789.");
            if (digits <= 0 || !double.TryParse(rest[..digits], NumberStyles.Float, CultureInfo.InvariantCulture, out var number))
                return false;
            rest = rest[digits..];
            var letters = rest.IndexOfAny("0123456789.");
            var unit = Unit(letters < 0 ? rest : rest[..letters]);
            if (unit == 0)
                return false;
            seconds += number * unit;
            rest = letters < 0 ? [] : rest[letters..];
        }
        span = TimeSpan.FromSeconds(Math.Clamp(negative ? -seconds : seconds, -MaxSeconds, MaxSeconds));
        return true;
    }

    private static TimeSpan Forever(double seconds) =>
        seconds < 0 ? Timeout.InfiniteTimeSpan : TimeSpan.FromSeconds(Math.Min(seconds, MaxSeconds));

    private static double Unit(ReadOnlySpan<char> unit) => unit switch
    {
        "h" => 3600,
        "m" => 60,
        "s" => 1,
        "ms" => 1e-3,
        "us" or "µs" => 1e-6,
        "ns" => 1e-9,
        _ => 0,
    };
}

using System.ComponentModel;
using System.Globalization;

namespace OllamaBridge.Gateway.Settings;

/// <summary>Reads single values more strictly than .NET's binder: no hexadecimal numbers, no numbers for enum names, no bare numbers as days.</summary>
internal static class SettingText
{
    private const int LongestShown = 60;

    public static bool IsScalar(Type type)
    {
        var plain = Nullable.GetUnderlyingType(type) ?? type;
        return plain.IsPrimitive || plain.IsEnum || plain == typeof(string) || plain == typeof(decimal) || plain == typeof(object)
            || TypeDescriptor.GetConverter(plain).CanConvertFrom(typeof(string));
    }

    /// <summary>Returns the error, or null. <paramref name="type"/> is without <see cref="Nullable{T}"/>; <paramref name="canonical"/> is for .NET's binder.</summary>
    public static string? Read(Type type, string text, out string canonical)
    {
        canonical = text;
        if (type == typeof(string) || type == typeof(object))
            return null;
        if (type.IsEnum)
            return ReadName(type, text, out canonical);
        if (type == typeof(bool))
            return bool.TryParse(text, out _) ? null : $"{Quote(text)} is not true or false";
        if (type == typeof(TimeSpan))
            return ReadDuration(text, out canonical);
        if (IsWhole(type))
            return ReadWhole(type, text, out canonical);
        if (type == typeof(double) || type == typeof(float) || type == typeof(decimal))
            return ReadNumber(type, text);
        return ReadOther(type, text);
    }

    public static bool IsWhole(Type type) => Type.GetTypeCode(type) is >= TypeCode.SByte and <= TypeCode.UInt64;

    public static string[] Names(Type type) => Enum.GetNames(type);

    /// <summary>A text in the form for error texts: in quotes, shortened, without control characters.</summary>
    public static string Quote(string text)
    {
        var shown = text.Length > LongestShown ? $"{text[..LongestShown]}…" : text;
        return $"'{string.Concat(shown.Select(c => char.IsControl(c) || char.IsSurrogate(c) ? '?' : c))}'";
    }

    private static string? ReadWhole(Type type, string text, out string canonical)
    {
        canonical = text;
        try
        {
            canonical = Convert.ToString(
                Convert.ChangeType(decimal.Parse(text, NumberStyles.Integer, CultureInfo.InvariantCulture), type, CultureInfo.InvariantCulture),
                CultureInfo.InvariantCulture)!;
            return null;
        }
        catch (FormatException)
        {
            return $"{Quote(text)} is not a whole number";
        }
        catch (OverflowException)
        {
            return $"{Quote(text)} is outside of the numbers that can be read";
        }
    }

    private static string? ReadNumber(Type type, string text)
    {
        if (!double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number))
            return $"{Quote(text)} is not a number";
        return double.IsFinite(number) && (type != typeof(float) || float.IsFinite((float)number))
            && (type != typeof(decimal) || Math.Abs(number) < (double)decimal.MaxValue)
            ? null
            : $"{Quote(text)} is outside of the numbers that can be read";
    }

    private static string? ReadDuration(string text, out string canonical)
    {
        var isRead = Duration.TryParse(text, out var duration);
        canonical = duration.ToString("c", CultureInfo.InvariantCulture);
        if (isRead)
            return null;
        return double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out _)
            ? $"{Quote(text)} has no unit: write a duration such as {Duration.Forms}"
            : $"{Quote(text)} is not a duration such as {Duration.Forms}";
    }

    private static string? ReadName(Type type, string text, out string canonical)
    {
        var names = Names(type);
        var isFlags = type.IsDefined(typeof(FlagsAttribute), inherit: false);
        var read = new List<string>();
        canonical = text;
        foreach (var part in isFlags ? text.Split(',') : [text])
        {
            var wanted = part.Trim();
            if (Array.Find(names, n => n.Equals(wanted, StringComparison.OrdinalIgnoreCase)) is not { } name)
                return $"{Quote(wanted)} is not one of {string.Join(", ", names)}; the nearest is {NearestName.Of(wanted, names)}";
            read.Add(name);
        }

        canonical = string.Join(", ", read);
        return null;
    }

    // The text is not repeated: it may be an address with a password.
    private static string? ReadOther(Type type, string text)
    {
        try
        {
            return TypeDescriptor.GetConverter(type).ConvertFromInvariantString(text) is null ? $"is not a {type.Name}" : null;
        }
        catch (Exception e) when (e is FormatException or ArgumentException or NotSupportedException or OverflowException or InvalidOperationException)
        {
            return $"is not a {(type == typeof(Uri) ? "URL" : type.Name)}";
        }
    }
}

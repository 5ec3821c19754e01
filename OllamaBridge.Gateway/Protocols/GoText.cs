using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;

namespace OllamaBridge.Gateway.Protocols;

/// <summary>Reads JSON strings as Go's <c>encoding/json</c> does: a lone surrogate and bytes that are not UTF-8 become U+FFFD.</summary>
internal static class GoText
{
    // No shorter than any name that is compared.
    private const int MaxName = 24;
    private const int EscapeLength = 6;

    public static string? GetString(ref Utf8JsonReader reader)
    {
        if (reader.TokenType == JsonTokenType.Null)
            return null;
        if (!reader.HasValueSequence)
            return GetString(reader.ValueSpan, reader.ValueIsEscaped);
        var length = checked((int)reader.ValueSequence.Length);
        var buffer = ArrayPool<byte>.Shared.Rent(length);
        reader.ValueSequence.CopyTo(buffer);
        var text = GetString(buffer.AsSpan(0, length), reader.ValueIsEscaped);
        ArrayPool<byte>.Shared.Return(buffer);
        return text;
    }

    /// <summary>Compares in any case. The name must be ASCII, with at most 24 bytes.</summary>
    public static bool Is(ref Utf8JsonReader reader, ReadOnlySpan<byte> name)
    {
        if (!reader.HasValueSequence && !reader.ValueIsEscaped)
            return Ascii.EqualsIgnoreCase(reader.ValueSpan, name);
        // An escape takes at most six bytes for a character.
        var length = reader.HasValueSequence ? reader.ValueSequence.Length : reader.ValueSpan.Length;
        if (length > EscapeLength * MaxName)
            return false;
        Span<byte> raw = stackalloc byte[EscapeLength * MaxName];
        raw = raw[..(int)length];
        if (reader.HasValueSequence)
            reader.ValueSequence.CopyTo(raw);
        else
            reader.ValueSpan.CopyTo(raw);
        if (!reader.ValueIsEscaped)
            return Ascii.EqualsIgnoreCase(raw, name);
        Span<byte> unescaped = stackalloc byte[EscapeLength * MaxName];
        return Ascii.EqualsIgnoreCase(unescaped[..Unescape(raw, unescaped)], name);
    }

    /// <summary>Compares exactly. The name must be ASCII, with at most 24 bytes.</summary>
    public static bool IsExactly(ref Utf8JsonReader reader, ReadOnlySpan<byte> name) =>
        reader.HasValueSequence || reader.ValueIsEscaped
            ? Is(ref reader, name) && GetString(ref reader) == Encoding.ASCII.GetString(name)
            : reader.ValueSpan.SequenceEqual(name);

    private static string GetString(ReadOnlySpan<byte> raw, bool isEscaped)
    {
        if (!isEscaped)
            return Encoding.UTF8.GetString(raw);
        var buffer = ArrayPool<byte>.Shared.Rent(raw.Length);
        var text = Encoding.UTF8.GetString(buffer.AsSpan(0, Unescape(raw, buffer)));
        ArrayPool<byte>.Shared.Return(buffer);
        return text;
    }

    private static int Unescape(ReadOnlySpan<byte> raw, Span<byte> to)
    {
        var written = 0;
        for (var at = 0; at < raw.Length;)
        {
            if (raw[at] != '\\')
            {
                to[written++] = raw[at++];
                continue;
            }

            if (raw[at + 1] != 'u')
            {
                to[written++] = raw[at + 1] switch
                {
                    (byte)'b' => (byte)'\b',
                    (byte)'f' => (byte)'\f',
                    (byte)'n' => (byte)'\n',
                    (byte)'r' => (byte)'\r',
                    (byte)'t' => (byte)'\t',
                    var same => same,
                };
                at += 2;
                continue;
            }

            var unit = Hex(raw[at..]);
            at += EscapeLength;
            var rune = Rune.ReplacementChar;
            if (char.IsHighSurrogate(unit) && raw[at..].StartsWith("\\u"u8) && Rune.TryCreate(unit, Hex(raw[at..]), out var pair))
            {
                rune = pair;
                at += EscapeLength;
            }
            else if (Rune.TryCreate(unit, out var single))
            {
                rune = single;
            }

            written += rune.EncodeToUtf8(to[written..]);
        }

        return written;
    }

    private static char Hex(ReadOnlySpan<byte> escape) =>
        (char)ushort.Parse(escape[2..EscapeLength], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
}

using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;

namespace OllamaBridge.Gateway.Protocols;

/// <summary>
/// JSON strings as Go reads them: half of a surrogate pair, which clients write when they cut a text, is a replacement character. .NET's reader throws
/// on it.
/// </summary>
internal static class EscapedText
{
    private const char Replacement = '\uFFFD';

    /// <summary>The string on which a reader stands; null for null.</summary>
    public static string? Read(ref Utf8JsonReader reader)
    {
        if (reader.TokenType == JsonTokenType.Null)
            return null;
        if (!reader.ValueIsEscaped)
            return reader.HasValueSequence ? Encoding.UTF8.GetString(reader.ValueSequence) : Encoding.UTF8.GetString(reader.ValueSpan);
        var raw = reader.HasValueSequence ? reader.ValueSequence.ToArray() : reader.ValueSpan;
        var chars = new StringBuilder(raw.Length);
        while (!raw.IsEmpty)
        {
            var escape = raw.IndexOf((byte)'\\');
            chars.Append(Encoding.UTF8.GetString(escape < 0 ? raw : raw[..escape]));
            if (escape < 0)
                break;
            raw = raw[escape..];
            chars.Append(Unescape(ref raw));
        }

        var text = chars.ToString();
        for (var i = 0; i < chars.Length; i++)
            if (i + 1 < text.Length && char.IsSurrogatePair(text[i], text[i + 1]))
                i++;
            else if (char.IsSurrogate(text[i]))
                chars[i] = Replacement;
        return chars.ToString();
    }

    /// <summary>The bytes of the string on which a reader stands, escapes and all.</summary>
    /// <param name="reader">The reader.</param>
    /// <param name="target">Room for them.</param>
    /// <returns>How many there are.</returns>
    public static int CopyRaw(in Utf8JsonReader reader, scoped Span<byte> target)
    {
        if (reader.HasValueSequence)
        {
            reader.ValueSequence.CopyTo(target);
            return (int)reader.ValueSequence.Length;
        }

        reader.ValueSpan.CopyTo(target);
        return reader.ValueSpan.Length;
    }

    /// <summary>Whether a string with escapes is an ASCII text.</summary>
    public static bool Equals(ReadOnlySpan<byte> raw, ReadOnlySpan<byte> ascii) => Equals(raw, ascii, ignoreCase: false);

    /// <summary>The same in any case.</summary>
    public static bool EqualsIgnoreCase(ReadOnlySpan<byte> raw, ReadOnlySpan<byte> ascii) => Equals(raw, ascii, ignoreCase: true);

    private static bool Equals(ReadOnlySpan<byte> raw, ReadOnlySpan<byte> ascii, bool ignoreCase)
    {
        foreach (var expected in ascii)
        {
            if (raw.IsEmpty)
                return false;
            var c = (char)raw[0];
            if (c == '\\')
                c = Unescape(ref raw);
            else
                raw = raw[1..];
            if (c != expected && !(ignoreCase && char.IsAscii(c) && char.ToLowerInvariant(c) == char.ToLowerInvariant((char)expected)))
                return false;
        }

        return raw.IsEmpty;
    }

    /// <summary>The character of the escape at which a text begins, and the text behind it. The reader has seen that the escape is well-formed.</summary>
    private static char Unescape(ref ReadOnlySpan<byte> raw)
    {
        var kind = raw[1];
        if (kind == 'u')
        {
            var code = ushort.Parse(raw.Slice(2, 4), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
            raw = raw[6..];
            return (char)code;
        }

        raw = raw[2..];
        return kind switch
        {
            (byte)'b' => '\b',
            (byte)'f' => '\f',
            (byte)'n' => '\n',
            (byte)'r' => '\r',
            (byte)'t' => '\t',
            _ => (char)kind,
        };
    }
}

using System.Buffers;
using System.Text;
using System.Text.Json;

namespace OllamaBridge.Gateway.Protocols;

/// <summary>Recognizes images and other media in messages that are named by an address. Pure.</summary>
internal static class RemoteMedia
{
    private const string DataScheme = "data";

    /// <summary>Ollama's error message (<c>openai/openai.go</c>), and the setting that allows remote media.</summary>
    public const string Refusal =
        "image URLs are not currently supported, please use base64 encoded data instead (the bridge's operator can allow them: Bridge:Access:ImageUrls)";

    public static bool IsName(ref Utf8JsonReader reader) =>
        GoText.Is(ref reader, "image_url"u8) || GoText.Is(ref reader, "source"u8) || GoText.Is(ref reader, "video_url"u8)
        || GoText.Is(ref reader, "audio_url"u8) || GoText.Is(ref reader, "file_url"u8);

    public static bool IsRemote(ref Utf8JsonReader reader)
    {
        if (reader.ValueIsEscaped)
            return GoText.GetString(ref reader) is { } text && IsRemote(text);
        // Images are long; what decides is before the first colon.
        if (!reader.HasValueSequence)
            return reader.ValueSpan.IndexOf((byte)':') is >= 0 and var colon && IsRemote(Encoding.UTF8.GetString(reader.ValueSpan[..(colon + 1)]));
        var bytes = reader.ValueSequence;
        return bytes.PositionOf((byte)':') is { } at && IsRemote(Encoding.UTF8.GetString(bytes.Slice(0, bytes.GetPosition(1, at))));
    }

    /// <summary>Whether a text is an address with another scheme than <c>data:</c>, read as URL libraries do: without leading blanks, tabs and line
    /// breaks.</summary>
    public static bool IsRemote(ReadOnlySpan<char> text)
    {
        Span<char> scheme = stackalloc char[DataScheme.Length + 1];
        var length = 0;
        var hasBegun = false;
        foreach (var c in text)
        {
            if (c is '\t' or '\r' or '\n' || (!hasBegun && c <= ' '))
                continue;
            if (c == ':')
                return hasBegun && !scheme[..Math.Min(length, scheme.Length)].Equals(DataScheme, StringComparison.OrdinalIgnoreCase);
            if (!(char.IsAsciiLetter(c) || (hasBegun && (char.IsAsciiDigit(c) || c is '+' or '-' or '.'))))
                return false;
            hasBegun = true;
            if (length < scheme.Length)
                scheme[length++] = c;
        }

        return false;
    }
}

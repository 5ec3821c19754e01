using System.Buffers;
using System.Text.Json;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Forwarding.TokenCounts;

/// <summary>Estimates tokens: one for 4 characters of ASCII, 2 of other European scripts, or 1 of Chinese, Japanese or Korean. Pure.</summary>
internal static class TokenEstimate
{
    private const int TokensPerMessage = 4;
    private const int TokensPerImage = 768;
    private const int QuartersPerToken = 4;
    private const int MaxDepth = 10_000;

    /// <returns>Null if the body has no messages or is not of this format.</returns>
    public static long? Of(in ReadOnlySequence<byte> body)
    {
        try
        {
            var reader = new Utf8JsonReader(body, isFinalBlock: false, new JsonReaderState(new JsonReaderOptions { MaxDepth = MaxDepth }));
            return reader.Read() && reader.TokenType == JsonTokenType.StartObject ? Read(ref reader) : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static long? Read(ref Utf8JsonReader reader)
    {
        var (quarters, messages, images) = (0L, -1L, 0L);
        while (reader.Read() && reader.TokenType != JsonTokenType.EndObject)
        {
            var isMessages = GoText.Is(ref reader, "messages"u8);
            var isTools = GoText.Is(ref reader, "tools"u8);
            var counts = isMessages || isTools || GoText.Is(ref reader, "system"u8);
            if (!reader.Read())
                break;
            if (!counts)
            {
                if (!reader.TrySkip())
                    break;
                continue;
            }

            if (isMessages && reader.TokenType == JsonTokenType.StartArray)
                messages = 0;
            quarters += ReadValue(ref reader, isTools, isMessages, ref messages, ref images);
        }

        return messages <= 0 ? null
            : ((quarters + QuartersPerToken - 1) / QuartersPerToken) + (messages * TokensPerMessage) + (images * TokensPerImage);
    }

    private static long ReadValue(ref Utf8JsonReader reader, bool countsNames, bool isMessages, ref long messages, ref long images)
    {
        if (reader.TokenType is not (JsonTokenType.StartArray or JsonTokenType.StartObject))
            return Quarters(ref reader);
        var (quarters, depth, isSkipped) = (0L, reader.CurrentDepth, false);
        while (reader.Read() && !(reader.CurrentDepth == depth && reader.TokenType is JsonTokenType.EndArray or JsonTokenType.EndObject))
        {
            switch (reader.TokenType)
            {
                case JsonTokenType.StartObject when isMessages && reader.CurrentDepth == depth + 1:
                    messages++;
                    break;
                case JsonTokenType.PropertyName:
                    // Values that are not text of the prompt.
                    if (GoText.Is(ref reader, "data"u8) || GoText.Is(ref reader, "url"u8))
                    {
                        images++;
                        isSkipped = true;
                    }
                    else
                    {
                        isSkipped = GoText.Is(ref reader, "type"u8) || GoText.Is(ref reader, "media_type"u8) || GoText.Is(ref reader, "role"u8)
                            || GoText.Is(ref reader, "id"u8) || GoText.Is(ref reader, "tool_use_id"u8) || GoText.Is(ref reader, "signature"u8);
                    }

                    if (countsNames)
                        quarters += Quarters(ref reader);
                    break;
                case JsonTokenType.String or JsonTokenType.Number:
                    quarters += isSkipped && !countsNames ? 0 : Quarters(ref reader);
                    isSkipped = false;
                    break;
                default:
                    isSkipped = false;
                    break;
            }
        }

        return quarters;
    }

    private static long Quarters(ref Utf8JsonReader reader)
    {
        if (!reader.HasValueSequence)
            return Quarters(reader.ValueSpan);
        var quarters = 0L;
        foreach (var segment in reader.ValueSequence)
            quarters += Quarters(segment.Span);
        return quarters;
    }

    private static long Quarters(ReadOnlySpan<byte> text)
    {
        var quarters = 0L;
        foreach (var b in text)
            quarters += b switch
            {
                < 0x80 => 1,
                < 0xC0 => 0,
                < 0xE0 => 2,
                _ => QuartersPerToken,
            };
        return quarters;
    }
}

using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Forwarding;

/// <summary>Decides from an answer's first bytes whether it is a stream. Servers label streams with all sorts of content types. Pure.</summary>
internal static class AnswerShape
{
    private static readonly byte[][] Fields = ["data"u8.ToArray(), "event"u8.ToArray(), "id"u8.ToArray(), "retry"u8.ToArray()];

    /// <summary>Whether a content type says that the answer is a stream.</summary>
    public static bool IsLabelled(string? mediaType) => mediaType is "application/x-ndjson" or "text/event-stream";

    /// <summary>Decides.</summary>
    /// <param name="end">How a streamed answer of the operation ends.</param>
    /// <param name="isLabelled">Whether the content type says that it is a stream.</param>
    /// <param name="hasLength">Whether its length was known when it began: a stream's is not.</param>
    /// <param name="beginning">Its first bytes.</param>
    /// <param name="isAll">Whether there is nothing after them.</param>
    /// <returns>Null where more bytes are needed.</returns>
    public static bool? IsStream(StreamEnd end, bool isLabelled, bool hasLength, ReadOnlySpan<byte> beginning, bool isAll)
    {
        if (!isAll && ByteOrderMark.IsPartOf(beginning))
            return null;
        var text = ByteOrderMark.Skip(beginning).TrimStart(" \t\r\n"u8);
        if (text.IsEmpty)
            return isAll ? isLabelled : null;
        if (end is StreamEnd.Done or StreamEnd.Success)
            return IsLine(text, isAll) is { } isLine ? isLine && (isLabelled || !hasLength) : null;
        // A comment.
        if (text[0] == ':')
            return true;
        foreach (var field in Fields)
        {
            if (text.Length > field.Length ? text.StartsWith(field) && text[field.Length] is (byte)':' or (byte)'\n' or (byte)'\r' : false)
                return true;
            if (!isAll && text.Length <= field.Length && field.AsSpan().StartsWith(text))
                return null;
        }

        // JSON is one answer whatever its label; other text is left to its label.
        return isLabelled && text[0] != '{';
    }

    /// <summary>Whether a text begins with an object that is written on one line.</summary>
    private static bool? IsLine(ReadOnlySpan<byte> text, bool isAll)
    {
        if (text[0] != '{')
            return false;
        var rest = text[1..].TrimStart(" \t"u8);
        return rest.IsEmpty ? isAll ? false : null : rest[0] is not ((byte)'\r' or (byte)'\n');
    }

    /// <summary>Whether a line of a native stream tells of an error.</summary>
    public static bool IsError(ReadOnlySpan<byte> lines)
    {
        var line = ByteOrderMark.Skip(lines).TrimStart(" \t\r\n"u8);
        var end = line.IndexOf((byte)'\n');
        line = end < 0 ? line : line[..end];
        return line.IndexOf("\"error\""u8) >= 0 && Usage.Read(line).HasError;
    }
}

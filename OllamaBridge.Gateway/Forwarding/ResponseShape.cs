using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Forwarding;

/// <summary>Decides from a response's first bytes whether it is a stream, since servers label streams with many content types. Pure.</summary>
internal static class ResponseShape
{
    private static readonly byte[][] Fields = ["data"u8.ToArray(), "event"u8.ToArray(), "id"u8.ToArray(), "retry"u8.ToArray()];

    public static bool IsLabelled(string? mediaType) => mediaType is "application/x-ndjson" or "text/event-stream";

    /// <param name="isAll">Whether the response ends after <paramref name="beginning"/>.</param>
    /// <returns>Null if more bytes are needed.</returns>
    public static bool? IsStream(StreamEnd end, bool isLabelled, bool hasLength, ReadOnlySpan<byte> beginning, bool isAll)
    {
        if (!isAll && ByteOrderMark.IsPartOf(beginning))
            return null;
        var text = ByteOrderMark.Skip(beginning).TrimStart(" \t\r\n"u8);
        if (text.IsEmpty)
            return isAll ? isLabelled : null;
        if (end is StreamEnd.Done or StreamEnd.Success)
            return IsLine(text, isAll) is { } isLine ? isLine && (isLabelled || !hasLength) : null;
        // A comment of server-sent events.
        if (text[0] == ':')
            return true;
        foreach (var field in Fields)
        {
            if (text.Length > field.Length ? text.StartsWith(field) && text[field.Length] is (byte)':' or (byte)'\n' or (byte)'\r' : false)
                return true;
            if (!isAll && text.Length <= field.Length && field.AsSpan().StartsWith(text))
                return null;
        }

        // JSON is a single response despite its label. For other text the label decides.
        return isLabelled && text[0] != '{';
    }

    private static bool? IsLine(ReadOnlySpan<byte> text, bool isAll)
    {
        if (text[0] != '{')
            return false;
        var rest = text[1..].TrimStart(" \t"u8);
        return rest.IsEmpty ? isAll ? false : null : rest[0] is not ((byte)'\r' or (byte)'\n');
    }

    public static bool IsError(ReadOnlySpan<byte> lines)
    {
        var line = ByteOrderMark.Skip(lines).TrimStart(" \t\r\n"u8);
        var end = line.IndexOf((byte)'\n');
        line = end < 0 ? line : line[..end];
        return line.IndexOf("\"error\""u8) >= 0 && Usage.Read(line).HasError;
    }
}

namespace OllamaBridge.Gateway.Protocols;

/// <summary>One line of an event stream (HTML Standard, 9.2.6): a field's name and its value. A comment has an empty name.</summary>
internal readonly ref struct SseField
{
    private SseField(ReadOnlySpan<byte> name, ReadOnlySpan<byte> value)
    {
        Name = name;
        Value = value;
    }

    public ReadOnlySpan<byte> Name { get; }

    /// <summary>The bytes after the colon, without one leading space.</summary>
    public ReadOnlySpan<byte> Value { get; }

    public bool IsData => Name.SequenceEqual("data"u8);

    public bool IsEvent => Name.SequenceEqual("event"u8);

    public static SseField Parse(ReadOnlySpan<byte> line)
    {
        var colon = line.IndexOf((byte)':');
        if (colon < 0)
            return new SseField(line, default);
        var value = line[(colon + 1)..];
        return new SseField(line[..colon], value is [(byte)' ', ..] ? value[1..] : value);
    }
}

/// <summary>The lines of an event stream: each ends with LF, CR LF or CR. A byte order mark before the first line is skipped.</summary>
internal ref struct SseLines(ReadOnlySpan<byte> text)
{
    private ReadOnlySpan<byte> _rest = ByteOrderMark.Skip(text);

    public bool TryRead(out ReadOnlySpan<byte> line)
    {
        line = _rest;
        if (_rest.IsEmpty)
            return false;
        var end = _rest.IndexOfAny((byte)'\n', (byte)'\r');
        if (end < 0)
        {
            _rest = default;
            return true;
        }

        line = _rest[..end];
        _rest = _rest[(end + EndingLength(_rest, end))..];
        return true;
    }

    public static int EndingLength(ReadOnlySpan<byte> text, int at) =>
        text[at] == '\r' && at + 1 < text.Length && text[at + 1] == '\n' ? 2 : 1;
}

internal static class ByteOrderMark
{
    private static ReadOnlySpan<byte> Mark => [0xEF, 0xBB, 0xBF];

    public static bool IsPartOf(ReadOnlySpan<byte> text) => !text.IsEmpty && text.Length < Mark.Length && Mark.StartsWith(text);

    public static ReadOnlySpan<byte> Skip(ReadOnlySpan<byte> text) => text.StartsWith(Mark) ? text[Mark.Length..] : text;
}

namespace OllamaBridge.Gateway.Protocols.Answers;

/// <summary>One server-sent event, parsed as the specification requires (HTML Standard, 9.2.6).</summary>
internal readonly ref struct SseEvent
{
    private SseEvent(ReadOnlySpan<byte> data, ReadOnlySpan<byte> name, bool isReadable)
    {
        Data = data;
        Name = name;
        IsReadable = isReadable;
    }

    /// <summary>The data; several lines are joined by line feeds.</summary>
    public ReadOnlySpan<byte> Data { get; }

    public ReadOnlySpan<byte> Name { get; }

    /// <summary>Also true for comments and for empty data, which servers send as keep-alives.</summary>
    public bool IsEmpty => Data.IsEmpty;

    public bool IsReadable { get; }

    public static SseEvent Parse(ReadOnlySpan<byte> block)
    {
        ReadOnlySpan<byte> data = default, name = default;
        var hasData = false;
        var lines = new SseLines(block);
        while (lines.TryRead(out var line))
        {
            // The specification ignores unknown fields, but JSON or HTML in place of an event is not an event.
            if (line is [(byte)'{' or (byte)'[' or (byte)'<', ..])
                return default;
            var field = SseField.Parse(line);
            if (field.IsEvent)
                name = field.Value;
            if (!field.IsData)
                continue;
            data = hasData ? (byte[])[.. data, (byte)'\n', .. field.Value] : field.Value;
            hasData = true;
        }

        return new SseEvent(data.Trim(" \t\n"u8), name, true);
    }
}

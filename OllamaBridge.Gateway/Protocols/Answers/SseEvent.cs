namespace OllamaBridge.Gateway.Protocols.Answers;

/// <summary>One server-sent event, as the specification has it (HTML Standard, 9.2.6), with one line of data.</summary>
internal readonly ref struct SseEvent
{
    private SseEvent(ReadOnlySpan<byte> data, bool isComment, bool isReadable)
    {
        Data = data;
        IsComment = isComment;
        IsReadable = isReadable;
    }

    /// <summary>Its data.</summary>
    public ReadOnlySpan<byte> Data { get; }

    /// <summary>Whether there is nothing but comments in it.</summary>
    public bool IsComment { get; }

    /// <summary>Whether it is made as the servers make them.</summary>
    public bool IsReadable { get; }

    /// <summary>Reads one.</summary>
    /// <param name="block">Its lines.</param>
    public static SseEvent Parse(ReadOnlySpan<byte> block)
    {
        ReadOnlySpan<byte> data = default;
        var hasData = false;
        foreach (var range in block.Split((byte)'\n'))
        {
            var line = block[range].TrimEnd((byte)'\r');
            if (line.IsEmpty || line[0] == (byte)':' || line.StartsWith("event:"u8) || line.StartsWith("id:"u8) || line.StartsWith("retry:"u8))
                continue;
            if (!line.StartsWith("data:"u8) || hasData)
                return new SseEvent(default, false, false);
            data = line["data:".Length..];
            if (data is [(byte)' ', ..])
                data = data[1..];
            hasData = true;
        }

        return new SseEvent(data, !hasData, true);
    }
}

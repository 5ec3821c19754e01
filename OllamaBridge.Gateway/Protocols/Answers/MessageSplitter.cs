namespace OllamaBridge.Gateway.Protocols.Answers;

/// <summary>Finds where messages end: at a line feed, or for events at a blank line, with any of the line endings that the specification allows. Pure.</summary>
internal static class MessageSplitter
{
    /// <summary>Finds the end of the first message.</summary>
    /// <param name="bytes">What has come.</param>
    /// <param name="hasEvents">Whether messages are events.</param>
    /// <param name="length">Receives the message's length without its end.</param>
    /// <returns>Its length with its end; -1 where that has not come yet.</returns>
    public static int Find(ReadOnlySpan<byte> bytes, bool hasEvents, out int length)
    {
        var searched = 0;
        return Find(bytes, hasEvents, ref searched, out length);
    }

    /// <summary>Finds the end of the first message.</summary>
    /// <param name="bytes">What has come.</param>
    /// <param name="hasEvents">Whether messages are events.</param>
    /// <param name="searched">Up to where an earlier search of the same message has come; receives where the next one goes on.</param>
    /// <param name="length">Receives the message's length without its end.</param>
    /// <returns>Its length with its end; -1 where that has not come yet.</returns>
    public static int Find(ReadOnlySpan<byte> bytes, bool hasEvents, ref int searched, out int length)
    {
        length = 0;
        if (!hasEvents)
        {
            var newline = bytes[searched..].IndexOf((byte)'\n');
            if (newline < 0)
            {
                searched = bytes.Length;
                return -1;
            }

            length = searched + newline;
            return length + 1;
        }

        while (true)
        {
            var ending = bytes[searched..].IndexOfAny((byte)'\n', (byte)'\r');
            if (ending < 0)
            {
                searched = bytes.Length;
                return -1;
            }

            var at = searched + ending;
            var next = at + SseLines.EndingLength(bytes, at);
            // What follows may be the line feed of this ending, or another ending.
            if (next >= bytes.Length)
            {
                searched = at;
                return -1;
            }

            if (bytes[next] is (byte)'\n' or (byte)'\r')
            {
                length = at;
                return next + SseLines.EndingLength(bytes, next);
            }

            searched = next;
        }
    }
}

namespace OllamaBridge.Gateway.Protocols.Answers;

/// <summary>Finds the ends of messages: a line feed, or for events a blank line with any of the line endings that the specification allows. Pure.</summary>
internal static class MessageSplitter
{
    public static int Find(ReadOnlySpan<byte> bytes, bool hasEvents, out int length)
    {
        var searched = 0;
        return Find(bytes, hasEvents, ref searched, out length);
    }

    /// <param name="searched">The start of the search; receives that of the next call about the same message.</param>
    /// <returns>The first message's length with its end; -1 if the end has not arrived.</returns>
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
            // The next byte may be the line feed of this ending, or another ending.
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

namespace OllamaBridge.Gateway.Protocols.Answers;

/// <summary>Finds where messages end: at a newline, or for events at a blank line. Pure.</summary>
internal static class MessageSplitter
{
    /// <summary>Finds the end of the first message.</summary>
    /// <param name="bytes">What has come.</param>
    /// <param name="hasEvents">Whether messages are events.</param>
    /// <param name="length">Receives the message's length without its end.</param>
    /// <returns>Its length with its end; -1 where that has not come yet.</returns>
    public static int Find(ReadOnlySpan<byte> bytes, bool hasEvents, out int length)
    {
        for (var at = 0; ;)
        {
            var newline = bytes[at..].IndexOf((byte)'\n');
            if (newline < 0)
            {
                length = 0;
                return -1;
            }

            var end = at + newline;
            if (!hasEvents)
            {
                length = end;
                return end + 1;
            }

            // Another end of line behind it: a blank line.
            var next = end + 1;
            if (next < bytes.Length && bytes[next] == '\r')
                next++;
            if (next < bytes.Length && bytes[next] == '\n')
            {
                length = end;
                return next + 1;
            }

            if (next >= bytes.Length)
            {
                length = 0;
                return -1;
            }

            at = end + 1;
        }
    }
}

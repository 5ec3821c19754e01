namespace OllamaBridge.Gateway.Protocols;

/// <summary>Native streams: one JSON object a line, the last with <c>"done":true</c> or, for model transfers, <c>"status":"success"</c>.</summary>
internal sealed class NdjsonWatcher(StreamEnd end) : StreamWatcher
{
    /// <inheritdoc/>
    protected override void OnLine(ReadOnlySpan<byte> line)
    {
        if (line.StartsWith("{\"error\":"u8))
        {
            HasError = true;
            return;
        }

        // Inside a JSON string the quotes would be escaped, so a hit is a property; whose, only parsing tells.
        var mark = end == StreamEnd.Success ? "\"status\":\"success\""u8 : "\"done\":true"u8;
        if (line.IndexOf(mark) < 0)
        {
            OutputTokens++;
            return;
        }

        var usage = Usage.Read(line);
        if (end == StreamEnd.Success ? usage.Succeeded : usage.Done)
        {
            IsComplete = true;
            InputTokens = usage.InputTokens;
            OutputTokens = usage.OutputTokens;
            DecodeNanoseconds = usage.DecodeNanoseconds;
        }
        else
        {
            OutputTokens++;
        }
    }
}

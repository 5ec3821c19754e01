namespace OllamaBridge.Gateway.Protocols;

/// <summary>Observes native streams: one JSON object per line, the last with <c>"done":true</c> or, for model transfers, <c>"status":"success"</c>.</summary>
internal sealed class NdjsonWatcher(StreamEnd end) : StreamWatcher
{
    private static ReadOnlySpan<byte> Blanks => " \t\r\n"u8;

    protected override void OnLine(ReadOnlySpan<byte> line)
    {
        if (line.Trim(Blanks).IsEmpty)
            return;
        var isMarked = end == StreamEnd.Success ? Has(line, "\"status\""u8, "\"success\""u8) : Has(line, "\"done\""u8, "true"u8);
        if (!isMarked && line.IndexOf("\"error\""u8) < 0)
        {
            OutputTokens++;
            return;
        }

        var usage = Usage.Read(line);
        if (usage.HasError)
        {
            HasError = true;
        }
        else if (end == StreamEnd.Success ? usage.Succeeded : usage.Done)
        {
            IsComplete = true;
            InputTokens = usage.InputTokens;
            OutputTokens = usage.OutputTokens;
            DecodeNanoseconds = usage.DecodeNanoseconds;
            PrefillNanoseconds = usage.PrefillNanoseconds;
        }
        else
        {
            OutputTokens++;
        }
    }

    /// <summary>Quotes within a JSON string are escaped, so a match is a property. Only parsing shows to which object it belongs.</summary>
    private static bool Has(ReadOnlySpan<byte> line, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value)
    {
        while (line.IndexOf(name) is >= 0 and var at)
        {
            line = line[(at + name.Length)..];
            var rest = line.TrimStart(Blanks);
            if (rest is [(byte)':', ..] && rest[1..].TrimStart(Blanks).StartsWith(value))
                return true;
        }

        return false;
    }
}

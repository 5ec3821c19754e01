namespace OllamaBridge.Gateway.Protocols;

/// <summary>Server-sent events, as the OpenAI and Anthropic routes stream.</summary>
internal sealed class SseWatcher(StreamEnd end) : StreamWatcher
{
    private bool _toldTokens;

    /// <inheritdoc/>
    public override string Separator => IsMidLine ? "\n\n" : IsAfterBlankLine ? "" : "\n";

    /// <inheritdoc/>
    protected override void OnLine(ReadOnlySpan<byte> line)
    {
        if (line.StartsWith("data: "u8))
            OnData(line[6..]);
        else if (line.StartsWith("event: "u8))
            OnEvent(line[7..].TrimEnd((byte)'\r'));
    }

    private void OnEvent(ReadOnlySpan<byte> name)
    {
        if (end == StreamEnd.MessageStop)
            IsComplete |= name.SequenceEqual("message_stop"u8);
        else if (end == StreamEnd.ResponseEvent)
            IsComplete |= name.SequenceEqual("response.completed"u8) || name.SequenceEqual("response.incomplete"u8)
                || name.SequenceEqual("response.failed"u8);
        HasError |= name.SequenceEqual("error"u8);
    }

    private void OnData(ReadOnlySpan<byte> data)
    {
        if (end == StreamEnd.DoneMarker && data.TrimEnd((byte)'\r').SequenceEqual("[DONE]"u8))
        {
            IsComplete = true;
            return;
        }

        // The second as older vLLM writes it.
        if (data.StartsWith("{\"error\":"u8) || data.StartsWith("{\"object\":\"error\""u8))
        {
            HasError = true;
            return;
        }

        if (data.IndexOf("\"usage\":{"u8) >= 0)
        {
            var usage = Usage.Read(data);
            InputTokens = Math.Max(InputTokens, usage.InputTokens);
            if (usage.OutputTokens > 0)
            {
                _toldTokens = true;
                OutputTokens = usage.OutputTokens;
            }
        }
        else if (!_toldTokens)
        {
            OutputTokens++;
        }
    }
}

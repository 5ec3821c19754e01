using System.Buffers;

namespace OllamaBridge.Gateway.Protocols;

internal sealed class SseWatcher(StreamEnd end) : StreamWatcher
{
    // The data lines of an event whose first line is not a complete message; rare, so created on demand.
    private ArrayBufferWriter<byte>? _data;
    private bool _toldTokens;

    public override string Separator => IsMidLine ? "\n\n" : IsAfterBlankLine ? "" : "\n";

    protected override bool EndsLineAtCr => true;

    protected override void OnLine(ReadOnlySpan<byte> line)
    {
        var field = SseField.Parse(line);
        if (field.IsData)
            OnDataLine(field.Value.TrimEnd(" \t"u8));
        else if (field.IsEvent)
            OnEvent(field.Value);
    }

    protected override void OnBlankLine() => Dispatch();

    protected override void OnEnd() => Dispatch();

    private void OnDataLine(ReadOnlySpan<byte> data)
    {
        if (_data is null or { WrittenCount: 0 } && (data is [(byte)'{', .., (byte)'}'] || data.SequenceEqual("[DONE]"u8)))
        {
            OnData(data);
            return;
        }

        _data ??= new ArrayBufferWriter<byte>();
        // Data that is longer than any message is not kept.
        if (_data.WrittenCount + data.Length > CondensedJson.MaxOutput)
            return;
        _data.Write(data);
        _data.Write("\n"u8);
    }

    private void Dispatch()
    {
        if (_data is not { WrittenCount: > 0 } data)
            return;
        OnData(data.WrittenSpan.Trim(" \t\n"u8));
        data.ResetWrittenCount();
    }

    private void OnEvent(ReadOnlySpan<byte> name)
    {
        IsComplete |= IsEnd(name);
        HasError |= name.SequenceEqual("error"u8);
    }

    private bool IsEnd(ReadOnlySpan<byte> type) => end switch
    {
        StreamEnd.MessageStop => type.SequenceEqual("message_stop"u8),
        StreamEnd.ResponseEvent => type.SequenceEqual("response.completed"u8) || type.SequenceEqual("response.incomplete"u8)
            || type.SequenceEqual("response.failed"u8),
        _ => false,
    };

    private void OnData(ReadOnlySpan<byte> data)
    {
        if (data.IsEmpty)
            return;
        if (data.SequenceEqual("[DONE]"u8))
        {
            IsComplete |= end == StreamEnd.DoneMarker;
            return;
        }

        // Quotes within a JSON string are escaped, so a match is a property or a whole value. Only parsing shows which.
        if (data.IndexOf("\"error\""u8) >= 0 && Usage.Read(data).HasError)
        {
            HasError = true;
            return;
        }

        var usage = data.IndexOf("\"usage\""u8) >= 0 ? Usage.Read(data) : default;
        if (usage.InputTokens > 0 || usage.OutputTokens > 0)
        {
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

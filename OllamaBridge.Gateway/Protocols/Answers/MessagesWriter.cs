using System.Buffers;

namespace OllamaBridge.Gateway.Protocols.Answers;

/// <summary>Writes events of <c>/v1/messages</c>: continues the open block, and opens another one for text after thinking.</summary>
internal sealed class MessagesWriter(ResponseTranscript kept) : ResponseWriter(kept)
{
    private static readonly byte[] Stop = "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"u8.ToArray();

    public override void WriteWords(ReadOnlySpan<byte> thinking, ReadOnlySpan<byte> text, IBufferWriter<byte> output)
    {
        if (!thinking.IsEmpty)
            WriteDelta(ResponseBlock.Thinking, thinking, output);
        if (!text.IsEmpty)
            WriteDelta(ResponseBlock.Text, text, output);
    }

    public override void WriteEnd(IBufferWriter<byte> output)
    {
        CloseBlock(output);
        var json = Begin();
        json.WriteString("type"u8, "message_delta"u8);
        json.WriteStartObject("delta"u8);
        json.WriteString("stop_reason"u8, Reason(Kept.End.Reason));
        json.WriteEndObject();
        json.WriteStartObject("usage"u8);
        json.WriteNumber("input_tokens"u8, Kept.End.PromptTokens ?? 0);
        json.WriteNumber("output_tokens"u8, Kept.End.Tokens ?? Kept.Tokens);
        json.WriteEndObject();
        End(output, "event: message_delta\ndata: "u8, "\n\n"u8);
        output.Write(Stop);
    }

    public override ReadOnlyMemory<byte> WriteMark() => Stop;

    private void WriteDelta(ResponseBlock block, ReadOnlySpan<byte> words, IBufferWriter<byte> output)
    {
        if (Kept.Block != block)
        {
            CloseBlock(output);
            OpenBlock(block, output);
        }

        var json = Begin();
        json.WriteString("type"u8, "content_block_delta"u8);
        json.WriteNumber("index"u8, Kept.BlockIndex);
        json.WriteStartObject("delta"u8);
        json.WriteString("type"u8, block == ResponseBlock.Thinking ? "thinking_delta"u8 : "text_delta"u8);
        json.WriteString(block == ResponseBlock.Thinking ? "thinking"u8 : "text"u8, words);
        json.WriteEndObject();
        End(output, "event: content_block_delta\ndata: "u8, "\n\n"u8);
    }

    private void OpenBlock(ResponseBlock block, IBufferWriter<byte> output)
    {
        Kept.Block = block;
        Kept.BlockIndex++;
        var name = block == ResponseBlock.Thinking ? "thinking" : "text";
        var json = Begin();
        json.WriteString("type"u8, "content_block_start"u8);
        json.WriteNumber("index"u8, Kept.BlockIndex);
        json.WriteStartObject("content_block"u8);
        json.WriteString("type"u8, name);
        json.WriteString(name, ""u8);
        json.WriteEndObject();
        End(output, "event: content_block_start\ndata: "u8, "\n\n"u8);
    }

    private void CloseBlock(IBufferWriter<byte> output)
    {
        if (Kept.Block == ResponseBlock.None)
            return;
        Kept.Block = ResponseBlock.None;
        var json = Begin();
        json.WriteString("type"u8, "content_block_stop"u8);
        json.WriteNumber("index"u8, Kept.BlockIndex);
        End(output, "event: content_block_stop\ndata: "u8, "\n\n"u8);
    }

    private static string Reason(string? reason) => reason switch
    {
        "length" => "max_tokens",
        null or "stop" or "load" or "unload" => "end_turn",
        _ => reason,
    };
}

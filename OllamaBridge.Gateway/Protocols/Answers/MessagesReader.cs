using System.Text;
using System.Text.Json;

namespace OllamaBridge.Gateway.Protocols.Answers;

/// <summary>Reads streams of <c>/v1/messages</c>: events around blocks, the last <c>message_stop</c> (recording 03-v1-messages-anthropic-stream).</summary>
internal sealed class MessagesReader(ResponseTranscript kept) : ResponseReader(kept)
{
    public override bool HasEvents => true;

    public override ResponseMessage Read(ReadOnlySpan<byte> message)
    {
        var sse = SseEvent.Parse(message);
        if (!sse.IsReadable)
            return ResponseMessage.Unreadable;
        if (sse.IsEmpty)
            return ResponseMessage.Frame;
        try
        {
            var data = default(Data);
            var json = new Utf8JsonReader(sse.Data);
            if (!json.Read() || json.TokenType != JsonTokenType.StartObject)
                return ResponseMessage.Unreadable;
            data.Read(ref json, Kept);
            // The event's name repeats the type; some servers write only the name.
            data.Type ??= sse.Name.IsEmpty ? null : Encoding.UTF8.GetString(sse.Name);
            return json.Read() ? ResponseMessage.Unreadable : Take(data, sse.Data);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return ResponseMessage.Unreadable;
        }
    }

    private ResponseMessage Take(in Data data, ReadOnlySpan<byte> json)
    {
        switch (data.Type)
        {
            case "message_start":
                Kept.KeepFirst(json);
                return Counted(false);
            case "content_block_start":
                var block = data.Block switch
                {
                    "text" => ResponseBlock.Text,
                    "thinking" => ResponseBlock.Thinking,
                    _ => ResponseBlock.Other,
                };
                Kept.HasMore |= block == ResponseBlock.Other;
                if (!IsUnframed)
                    (Kept.Block, Kept.BlockIndex) = (block, data.Index);
                return Counted(data.HasWords);
            case "content_block_delta":
                return Counted(data.HasWords);
            case "content_block_stop" or "message_delta":
                return ResponseMessage.Closing;
            case "message_stop":
                return ResponseMessage.End;
            case "error":
                return ResponseMessage.Failure;
            case null:
                return ResponseMessage.Unreadable;
            default:
                return ResponseMessage.Frame;
        }
    }

    private struct Data
    {
        public string? Type;
        public string? Block;
        public int Index;
        public bool HasWords;

        public void Read(ref Utf8JsonReader json, ResponseTranscript kept)
        {
            while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
            {
                var isType = json.ValueTextEquals("type"u8);
                var isIndex = json.ValueTextEquals("index"u8);
                var isPart = json.ValueTextEquals("delta"u8) || json.ValueTextEquals("content_block"u8);
                var isUsage = json.ValueTextEquals("usage"u8);
                json.Read();
                if (isType)
                    Type = Intern(ref json);
                else if (isIndex)
                    Index = (int)(Number(ref json) ?? 0);
                else if (isPart && json.TokenType == JsonTokenType.StartObject)
                    ReadPart(ref json, kept);
                else if (isUsage && json.TokenType == JsonTokenType.StartObject)
                    ReadUsage(ref json, kept);
                else
                    json.Skip();
            }
        }

        private void ReadPart(ref Utf8JsonReader json, ResponseTranscript kept)
        {
            while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
            {
                var isText = json.ValueTextEquals("text"u8);
                var isThinking = json.ValueTextEquals("thinking"u8);
                var isType = json.ValueTextEquals("type"u8);
                var isReason = json.ValueTextEquals("stop_reason"u8);
                var isMore = json.ValueTextEquals("partial_json"u8);
                json.Read();
                if (isText)
                    HasWords |= ResponseReader.Take(ref json, kept.Text);
                else if (isThinking)
                    HasWords |= ResponseReader.Take(ref json, kept.Thinking);
                else if (isType)
                    Block = InternBlock(ref json);
                else if (isReason)
                    kept.End.Reason = JsonValues.Reason(ref json) ?? kept.End.Reason;
                kept.HasMore |= isMore;
                json.Skip();
            }
        }

        private static void ReadUsage(ref Utf8JsonReader json, ResponseTranscript kept)
        {
            while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
            {
                var isInput = json.ValueTextEquals("input_tokens"u8);
                var isOutput = json.ValueTextEquals("output_tokens"u8);
                json.Read();
                if (isInput)
                    kept.End.PromptTokens = Number(ref json);
                else if (isOutput)
                    kept.End.Tokens = Number(ref json);
                json.Skip();
            }
        }

        private static string? Intern(ref Utf8JsonReader json) =>
            json.TokenType != JsonTokenType.String ? null
            : json.ValueTextEquals("content_block_delta"u8) ? "content_block_delta"
            : json.GetString();

        private static string? InternBlock(ref Utf8JsonReader json) =>
            json.TokenType != JsonTokenType.String ? null
            : json.ValueTextEquals("text_delta"u8) ? "text_delta"
            : json.ValueTextEquals("thinking_delta"u8) ? "thinking_delta"
            : json.GetString();
    }
}

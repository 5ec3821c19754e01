using System.Buffers;
using System.Text.Json;
using OllamaBridge.Gateway.Common;

namespace OllamaBridge.Gateway.Protocols.Answers;

/// <summary>Writes chunks of <c>/v1/chat/completions</c> and <c>/v1/completions</c>, with the first chunk's id, time and fingerprint.</summary>
internal sealed class ChatCompletionWriter(BridgeCall call, ResponseTranscript kept, bool isChat, TimeProvider time) : ResponseWriter(kept)
{
    private static readonly byte[] Done = "data: [DONE]\n\n"u8.ToArray();
    private readonly string _id = kept.FirstText("id") ?? $"{(isChat ? "chatcmpl" : "cmpl")}-{call.StartedAt % 1000}";
    private readonly string? _model = kept.FirstText("model") ?? call.SentModel;
    private readonly long _created = kept.First("created") is { ValueKind: JsonValueKind.Number } number && number.TryGetInt64(out var created)
        ? created
        : time.GetWallClock().ToUnixTimeSeconds();
    private readonly string? _fingerprint = kept.FirstText("system_fingerprint");
    // Ollama sends thinking as reasoning; other servers as reasoning_content.
    private readonly string _reasoning = kept.FirstText("system_fingerprint") is not null ? "reasoning" : "reasoning_content";

    public override void WriteWords(ReadOnlySpan<byte> thinking, ReadOnlySpan<byte> text, IBufferWriter<byte> output) =>
        WriteChunk(thinking, text, null, output);

    public override void WriteEnd(IBufferWriter<byte> output)
    {
        WriteChunk(default, default, Reason(Kept.End.Reason), output);
        if (call.WantsUsage && Kept.End.PromptTokens is { } prompt)
        {
            var tokens = Kept.End.Tokens ?? Kept.Tokens;
            var json = Head();
            json.WriteStartArray("choices"u8);
            json.WriteEndArray();
            if (!isChat)
                Tail(json);
            json.WriteStartObject("usage"u8);
            json.WriteNumber("prompt_tokens"u8, prompt);
            json.WriteNumber("completion_tokens"u8, tokens);
            json.WriteNumber("total_tokens"u8, prompt + tokens);
            json.WriteEndObject();
            End(output, "data: "u8, "\n\n"u8);
        }

        output.Write(Done);
    }

    public override ReadOnlyMemory<byte> WriteMark() => Done;

    private void WriteChunk(ReadOnlySpan<byte> thinking, ReadOnlySpan<byte> text, string? reason, IBufferWriter<byte> output)
    {
        var json = Head();
        json.WriteStartArray("choices"u8);
        json.WriteStartObject();
        if (isChat)
        {
            json.WriteNumber("index"u8, 0);
            WriteDelta(json, thinking, text, reason);
        }
        else
        {
            json.WriteString("text"u8, text);
            json.WriteNumber("index"u8, 0);
        }

        json.WriteString("finish_reason"u8, reason);
        json.WriteEndObject();
        json.WriteEndArray();
        if (!isChat)
            Tail(json);
        End(output, "data: "u8, "\n\n"u8);
    }

    private void WriteDelta(Utf8JsonWriter json, ReadOnlySpan<byte> thinking, ReadOnlySpan<byte> text, string? reason)
    {
        json.WriteStartObject("delta"u8);
        if (reason is null)
        {
            json.WriteString("content"u8, text);
            if (!thinking.IsEmpty)
                json.WriteString(_reasoning, thinking);
        }

        json.WriteEndObject();
    }

    private Utf8JsonWriter Head()
    {
        var json = Begin();
        json.WriteString("id"u8, _id);
        json.WriteString("object"u8, isChat ? "chat.completion.chunk" : "text_completion");
        json.WriteNumber("created"u8, _created);
        if (isChat)
            Tail(json);
        return json;
    }

    private void Tail(Utf8JsonWriter json)
    {
        json.WriteString("model"u8, _model);
        if (_fingerprint is not null)
            json.WriteString("system_fingerprint"u8, _fingerprint);
    }

    /// <summary>Ollama's reasons are also OpenAI's finish reasons, except <c>load</c> and <c>unload</c>.</summary>
    private static string Reason(string? reason) => reason is null or "load" or "unload" ? "stop" : reason;
}

using System.Buffers;
using System.Text.Json;
using OllamaBridge.Gateway.Common;

namespace OllamaBridge.Gateway.Protocols.Answers;

internal sealed class NativeWriter(ResponseContext context, ResponseTranscript kept, bool isChat, TimeProvider time) : ResponseWriter(kept)
{
    private readonly string? _model = kept.FirstText("model") ?? context.Model;

    public override void WriteWords(ReadOnlySpan<byte> thinking, ReadOnlySpan<byte> text, IBufferWriter<byte> output)
    {
        var json = Head();
        WriteMessage(json, thinking, text);
        json.WriteBoolean("done"u8, false);
        End(output, default, "\n"u8);
    }

    public override void WriteEnd(IBufferWriter<byte> output)
    {
        var end = Kept.End;
        var json = Head();
        WriteMessage(json, default, default);
        json.WriteBoolean("done"u8, true);
        json.WriteString("done_reason"u8, end.Reason ?? "stop");
        json.WriteNumber("total_duration"u8, (long)time.GetElapsedTime(context.SentAt).TotalNanoseconds);
        json.WriteNumber("load_duration"u8, end.LoadDuration);
        if (end.PromptTokens is { } prompt)
            json.WriteNumber("prompt_eval_count"u8, prompt);
        json.WriteNumber("prompt_eval_duration"u8, end.PromptDuration);
        json.WriteNumber("eval_count"u8, end.Tokens ?? Kept.Tokens);
        json.WriteNumber("eval_duration"u8, Kept.EarlierDuration + end.Duration);
        End(output, default, "\n"u8);
    }

    /// <summary>The last line is the marker, so the client has it if it has the end of the response.</summary>
    public override ReadOnlyMemory<byte> WriteMark() => default;

    private Utf8JsonWriter Head()
    {
        var json = Begin();
        json.WriteString("model"u8, _model);
        json.WriteString("created_at"u8, time.GetWallClock().UtcDateTime);
        return json;
    }

    private void WriteMessage(Utf8JsonWriter json, ReadOnlySpan<byte> thinking, ReadOnlySpan<byte> text)
    {
        if (isChat)
        {
            json.WriteStartObject("message"u8);
            json.WriteString("role"u8, "assistant"u8);
            json.WriteString("content"u8, text);
        }
        else
        {
            json.WriteString("response"u8, text);
        }

        if (!thinking.IsEmpty)
            json.WriteString("thinking"u8, thinking);
        if (isChat)
            json.WriteEndObject();
    }
}

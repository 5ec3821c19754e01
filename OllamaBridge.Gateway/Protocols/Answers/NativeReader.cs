using System.Text;
using System.Text.Json;

namespace OllamaBridge.Gateway.Protocols.Answers;

/// <summary>Reads Ollama's own streams (recordings 02, 08). <paramref name="raw"/> is null if the server has separated thinking from content.</summary>
internal sealed class NativeReader(ResponseTranscript kept, RawAnswer? raw = null) : ResponseReader(kept)
{
    private bool _words;
    private bool _done;
    private bool _failed;
    private string? _reason;

    public override bool HasEvents => false;

    public override ResponseMessage Read(ReadOnlySpan<byte> message)
    {
        _words = _done = _failed = false;
        _reason = null;
        try
        {
            var json = new Utf8JsonReader(ByteOrderMark.Skip(message));
            if (!json.Read() || json.TokenType != JsonTokenType.StartObject)
                return ResponseMessage.Unreadable;
            ReadObject(ref json, top: true);
            // One object, with nothing after it.
            if (json.Read())
                return ResponseMessage.Unreadable;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return ResponseMessage.Unreadable;
        }

        if (_failed)
            return ResponseMessage.Failure;
        if (_done)
        {
            // Some servers write a reason into every line; only that of the last line counts.
            Kept.End.Reason = _reason;
            return ResponseMessage.End;
        }

        Kept.KeepFirst(message);
        return Counted(_words);
    }

    private void ReadObject(ref Utf8JsonReader json, bool top)
    {
        while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
        {
            var property = Identify(ref json, top);
            json.Read();
            switch (property)
            {
                case Property.Error:
                    _failed |= JsonValues.IsSet(json);
                    break;
                case Property.Done:
                    _done = json.TokenType == JsonTokenType.True;
                    break;
                case Property.Reason:
                    _reason = JsonValues.Reason(ref json);
                    break;
                case Property.Message when json.TokenType == JsonTokenType.StartObject:
                    ReadObject(ref json, top: false);
                    continue;
                case Property.Words:
                    _words |= raw is null ? Take(ref json, Kept.Text) : TakeRaw(ref json, raw);
                    break;
                case Property.Thinking:
                    _words |= Take(ref json, Kept.Thinking);
                    break;
                case Property.More:
                    Kept.HasMore |= IsSomething(ref json);
                    continue;
                case Property.PromptTokens:
                    Kept.End.PromptTokens = Number(ref json);
                    break;
                case Property.Tokens:
                    Kept.End.Tokens = Number(ref json);
                    break;
                case Property.LoadDuration:
                    Kept.End.LoadDuration = Number(ref json) ?? 0;
                    break;
                case Property.PromptDuration:
                    Kept.End.PromptDuration = Number(ref json) ?? 0;
                    break;
                case Property.Duration:
                    Kept.End.Duration = Number(ref json) ?? 0;
                    break;
            }

            json.Skip();
        }
    }

    private bool TakeRaw(ref Utf8JsonReader json, RawAnswer answer)
    {
        if (json.TokenType != JsonTokenType.String || json.GetString() is not { Length: > 0 } text)
            return false;
        var (thinking, content) = answer.Add(text);
        Kept.Thinking.Append(Encoding.UTF8.GetBytes(thinking));
        Kept.Text.Append(Encoding.UTF8.GetBytes(content));
        Kept.Close ??= answer.Close;
        return thinking.Length > 0 || content.Length > 0;
    }

    private enum Property
    {
        Other,
        Error,
        Done,
        Reason,
        Message,
        Words,
        Thinking,
        More,
        PromptTokens,
        Tokens,
        LoadDuration,
        PromptDuration,
        Duration,
    }

    private static Property Identify(ref Utf8JsonReader json, bool top)
    {
        var name = json.ValueSpan;
        if (!top)
            return name.SequenceEqual("content"u8) ? Property.Words
                : name.SequenceEqual("thinking"u8) ? Property.Thinking
                : name.SequenceEqual("tool_calls"u8) || name.SequenceEqual("images"u8) ? Property.More
                : Property.Other;
        return name.SequenceEqual("message"u8) ? Property.Message
            : name.SequenceEqual("response"u8) ? Property.Words
            : name.SequenceEqual("done"u8) ? Property.Done
            : name.SequenceEqual("thinking"u8) ? Property.Thinking
            : name.SequenceEqual("error"u8) ? Property.Error
            : name.SequenceEqual("done_reason"u8) ? Property.Reason
            : name.SequenceEqual("logprobs"u8) || name.SequenceEqual("image"u8) ? Property.More
            : name.SequenceEqual("prompt_eval_count"u8) ? Property.PromptTokens
            : name.SequenceEqual("eval_count"u8) ? Property.Tokens
            : name.SequenceEqual("load_duration"u8) ? Property.LoadDuration
            : name.SequenceEqual("prompt_eval_duration"u8) ? Property.PromptDuration
            : name.SequenceEqual("eval_duration"u8) ? Property.Duration
            : Property.Other;
    }
}

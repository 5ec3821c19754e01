using System.Text.Json;

namespace OllamaBridge.Gateway.Protocols.Answers;

/// <summary>A failing Ollama server writes a chunk with an empty model name and ends the stream (recording 08-kill9-runner-v1-sse-midstream). Other servers
/// never name the model, or begin with such a chunk.</summary>
internal class ChatCompletionReader(ResponseTranscript kept) : ResponseReader(kept)
{
    private bool _words;
    private bool _closing;
    private bool _failed;
    private bool _nameless;
    private bool _named;
    private bool _hasChoice;
    private bool _isNamed;
    private bool _hasWrongReason;
    // One bit for each of the first 64 choices.
    private ulong _open;
    private ulong _ended;

    public override bool HasEvents => true;

    public override ResponseMessage Read(ReadOnlySpan<byte> message)
    {
        var sse = SseEvent.Parse(message);
        if (!sse.IsReadable)
            return ResponseMessage.Unreadable;
        if (sse.IsEmpty)
            return ResponseMessage.Frame;
        if (sse.Data.SequenceEqual("[DONE]"u8))
            return ResponseMessage.End;
        _words = _closing = _failed = _nameless = _named = _hasChoice = false;
        try
        {
            var json = new Utf8JsonReader(sse.Data);
            if (!json.Read() || json.TokenType != JsonTokenType.StartObject)
                return ResponseMessage.Unreadable;
            ReadChunk(ref json);
            if (json.Read())
                return ResponseMessage.Unreadable;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return ResponseMessage.Unreadable;
        }

        // Until a chunk has named the model, an empty name has no meaning.
        var isBlank = _nameless && _hasChoice && !_words && !_closing;
        if (_failed || (isBlank && _isNamed))
            return ResponseMessage.Failure;
        _isNamed |= _named;
        if (isBlank)
            return ResponseMessage.Closing;
        if (!_nameless || _words)
            Kept.KeepFirst(sse.Data);
        if (!_closing)
            return Counted(_words);
        if (_words)
            Kept.Pieces++;
        return ResponseMessage.Closing;
    }

    protected virtual bool ReadChoice(ref Utf8JsonReader json)
    {
        if (!json.ValueTextEquals("delta"u8))
            return SkipChoice(ref json);
        json.Read();
        if (json.TokenType != JsonTokenType.StartObject)
        {
            json.Skip();
            return false;
        }

        var words = false;
        while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
        {
            var isContent = json.ValueTextEquals("content"u8);
            var isThinking = json.ValueTextEquals("reasoning"u8) || json.ValueTextEquals("reasoning_content"u8);
            var isMore = json.ValueTextEquals("tool_calls"u8) || json.ValueTextEquals("function_call"u8) || json.ValueTextEquals("audio"u8);
            json.Read();
            if (isContent)
                words |= Take(ref json, Kept.Text);
            else if (isThinking)
                words |= Take(ref json, Kept.Thinking);
            else if (isMore)
                Kept.HasMore |= IsSomething(ref json);
            if (!isMore)
                json.Skip();
        }

        return words;
    }

    protected bool SkipChoice(ref Utf8JsonReader json)
    {
        var isMore = json.ValueTextEquals("logprobs"u8);
        json.Read();
        Kept.HasMore |= isMore && json.TokenType != JsonTokenType.Null;
        json.Skip();
        return false;
    }

    private void ReadChunk(ref Utf8JsonReader json)
    {
        while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
        {
            var isChoices = json.ValueTextEquals("choices"u8);
            var isUsage = !isChoices && json.ValueTextEquals("usage"u8);
            var isModel = json.ValueTextEquals("model"u8);
            var isError = json.ValueTextEquals("error"u8);
            var isObject = json.ValueTextEquals("object"u8);
            json.Read();
            // Older vLLM versions write the second form.
            _failed |= (isError && JsonValues.IsSet(json))
                || (isObject && json.TokenType == JsonTokenType.String && json.ValueTextEquals("error"u8));
            if (isModel && json.TokenType == JsonTokenType.String)
            {
                _nameless |= json.ValueTextEquals(""u8);
                _named |= !json.ValueTextEquals(""u8);
            }

            if (isChoices && json.TokenType == JsonTokenType.StartArray)
                ReadChoices(ref json);
            else if (isUsage && json.TokenType == JsonTokenType.StartObject)
                ReadUsage(ref json);
            else
                json.Skip();
        }
    }

    private void ReadChoices(ref Utf8JsonReader json)
    {
        for (var count = 0; json.Read() && json.TokenType == JsonTokenType.StartObject; count++)
        {
            _hasChoice = true;
            Kept.HasMore |= count > 0;
            var (index, words, reason) = (0L, false, default(string));
            while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
            {
                var isReason = json.ValueTextEquals("finish_reason"u8);
                if (!isReason && !json.ValueTextEquals("index"u8))
                {
                    words |= ReadChoice(ref json);
                    continue;
                }

                json.Read();
                if (isReason)
                    reason = JsonValues.Reason(ref json);
                else
                    index = Number(ref json) ?? 0;
                json.Skip();
            }

            _words |= words;
            EndChoice(index, words, reason);
        }
    }

    /// <summary>A response ends once every choice that began has a finish reason. Text of a choice after its finish reason invalidates the reason.</summary>
    private void EndChoice(long index, bool words, string? reason)
    {
        // Several choices cannot be resumed.
        Kept.HasMore |= index is not 0;
        var bit = 1ul << (int)Math.Clamp(index, 0, 63);
        if (words && (_ended & bit) != 0)
        {
            _hasWrongReason = true;
            Kept.End.Reason = null;
        }

        _open |= bit;
        if (reason is null || _hasWrongReason)
            return;
        _ended |= bit;
        if (_open != _ended)
            return;
        Kept.End.Reason = reason;
        _closing = true;
    }

    private void ReadUsage(ref Utf8JsonReader json)
    {
        while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
        {
            var isPrompt = json.ValueTextEquals("prompt_tokens"u8);
            var isAnswer = json.ValueTextEquals("completion_tokens"u8);
            json.Read();
            if (isPrompt)
                Kept.End.PromptTokens = Number(ref json);
            else if (isAnswer)
                Kept.End.Tokens = Number(ref json);
            json.Skip();
        }

        // Usage follows the finish reason, but some servers report it with every chunk.
        _closing |= Kept.End.Reason is not null;
    }
}

/// <summary>Reads streams of <c>/v1/completions</c>, which have <c>text</c> in place of <c>delta</c>.</summary>
internal sealed class CompletionReader(ResponseTranscript kept) : ChatCompletionReader(kept)
{
    protected override bool ReadChoice(ref Utf8JsonReader json)
    {
        if (!json.ValueTextEquals("text"u8))
            return SkipChoice(ref json);
        json.Read();
        return Take(ref json, Kept.Text);
    }
}

using System.Text.Json;

namespace OllamaBridge.Gateway.Protocols.Answers;

/// <summary>Streams of <c>/v1/chat/completions</c>: chunks, one with <c>finish_reason</c>, perhaps one with <c>usage</c>, <c>[DONE]</c>.</summary>
/// <remarks>A failing Ollama server writes a chunk with an empty model's name and just ends (recording 08-kill9-runner-v1-sse-midstream).</remarks>
internal class ChatCompletionReader(KeptAnswer kept) : AnswerReader(kept)
{
    private bool _words;
    private bool _closing;
    private bool _failed;
    private bool _nameless;

    /// <inheritdoc/>
    public override bool HasEvents => true;

    /// <inheritdoc/>
    public override AnswerMessage Read(ReadOnlySpan<byte> message)
    {
        var sse = SseEvent.Parse(message);
        if (!sse.IsReadable)
            return AnswerMessage.Unreadable;
        if (sse.IsComment)
            return AnswerMessage.Frame;
        if (sse.Data.SequenceEqual("[DONE]"u8))
            return AnswerMessage.End;
        _words = _closing = _failed = _nameless = false;
        try
        {
            var json = new Utf8JsonReader(sse.Data);
            if (!json.Read() || json.TokenType != JsonTokenType.StartObject)
                return AnswerMessage.Unreadable;
            ReadChunk(ref json);
            if (json.Read())
                return AnswerMessage.Unreadable;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return AnswerMessage.Unreadable;
        }

        if (_failed || (_nameless && !_words))
            return AnswerMessage.Failure;
        Kept.KeepFirst(sse.Data);
        if (!_closing)
            return Counted(_words);
        if (_words)
            Kept.Pieces++;
        return AnswerMessage.Closing;
    }

    /// <summary>Reads what a choice has besides its reason.</summary>
    /// <returns>Whether it had words.</returns>
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

    /// <summary>Passes over a property of a choice, noting what cannot be gone on with.</summary>
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
            // The second as older vLLM writes it.
            _failed |= (isError && json.TokenType != JsonTokenType.Null)
                || (isObject && json.TokenType == JsonTokenType.String && json.ValueTextEquals("error"u8));
            _nameless |= isModel && json.TokenType == JsonTokenType.String && json.ValueTextEquals(""u8);
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
        var count = 0;
        while (json.Read() && json.TokenType == JsonTokenType.StartObject)
        {
            // Several answers at once cannot be gone on with.
            Kept.HasMore |= ++count > 1;
            while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
            {
                if (!json.ValueTextEquals("finish_reason"u8))
                {
                    _words |= ReadChoice(ref json);
                    continue;
                }

                json.Read();
                if (json.TokenType != JsonTokenType.String)
                    continue;
                Kept.End.Reason = json.GetString();
                _closing = true;
            }
        }
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

        // Behind the reason; some servers tell it with every chunk.
        _closing |= Kept.End.Reason is not null;
    }
}

/// <summary>Streams of <c>/v1/completions</c>: the same with <c>text</c> in place of <c>delta</c>.</summary>
internal sealed class CompletionReader(KeptAnswer kept) : ChatCompletionReader(kept)
{
    /// <inheritdoc/>
    protected override bool ReadChoice(ref Utf8JsonReader json)
    {
        if (!json.ValueTextEquals("text"u8))
            return SkipChoice(ref json);
        json.Read();
        return Take(ref json, Kept.Text);
    }
}

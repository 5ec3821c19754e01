using System.Text.Json;

namespace OllamaBridge.Gateway.Protocols.Answers;

internal abstract class ResponseReader(ResponseTranscript kept)
{
    protected ResponseTranscript Kept { get; } = kept;

    /// <summary>Whether the response resumes another one. The client has the other one's frame, so this frame is not sent.</summary>
    public bool IsUnframed { get; init; }

    public abstract bool HasEvents { get; }

    /// <returns>Null if the streams cannot be resumed.</returns>
    public static ResponseReader? For(Operation operation, ResponseTranscript kept, bool isUnframed = false) => (operation.Protocol, operation.Type) switch
    {
        (Protocol.Ollama, OperationType.Chat or OperationType.Generate) => new NativeReader(kept) { IsUnframed = isUnframed },
        (Protocol.OpenAI, OperationType.Chat) => new ChatCompletionReader(kept) { IsUnframed = isUnframed },
        (Protocol.OpenAI, OperationType.TextCompletion) => new CompletionReader(kept) { IsUnframed = isUnframed },
        (Protocol.Anthropic, OperationType.Messages) => new MessagesReader(kept) { IsUnframed = isUnframed },
        _ => null,
    };

    /// <summary>The message excludes the end of its line or event.</summary>
    public abstract ResponseMessage Read(ReadOnlySpan<byte> message);

    protected ResponseMessage Counted(bool hasWords)
    {
        if (!hasWords)
        {
            Kept.IsFramed |= !IsUnframed;
            return ResponseMessage.Frame;
        }

        Kept.Pieces++;
        return ResponseMessage.Words;
    }

    protected static bool Take(ref Utf8JsonReader json, PooledText text)
    {
        if (json.TokenType != JsonTokenType.String || (json.HasValueSequence ? json.ValueSequence.IsEmpty : json.ValueSpan.IsEmpty))
            return false;
        text.Append(ref json);
        return true;
    }

    protected static long? Number(ref Utf8JsonReader json) =>
        json.TokenType == JsonTokenType.Number && json.TryGetInt64(out var number) ? number : null;

    protected static bool IsSomething(ref Utf8JsonReader json)
    {
        if (json.TokenType != JsonTokenType.StartArray)
        {
            var isNull = json.TokenType == JsonTokenType.Null;
            json.Skip();
            return !isNull;
        }

        var depth = json.CurrentDepth;
        json.Read();
        if (json.TokenType == JsonTokenType.EndArray)
            return false;
        while (json.CurrentDepth > depth)
            json.Read();
        return true;
    }
}

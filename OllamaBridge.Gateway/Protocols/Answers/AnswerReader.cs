using System.Text.Json;

namespace OllamaBridge.Gateway.Protocols.Answers;

/// <summary>Reads a streamed answer message by message, and keeps of it what a continuation needs.</summary>
internal abstract class AnswerReader(KeptAnswer kept)
{
    /// <summary>What is kept.</summary>
    protected KeptAnswer Kept { get; } = kept;

    /// <summary>Whether the frame is another's: the client has had its own, and is sent none of this.</summary>
    public bool IsUnframed { get; init; }

    /// <summary>Whether messages are events with a blank line after each, rather than lines.</summary>
    public abstract bool HasEvents { get; }

    /// <summary>Makes the reader for an operation's streams.</summary>
    /// <param name="operation">What is asked.</param>
    /// <param name="kept">Where to keep it.</param>
    /// <param name="isUnframed">See <see cref="IsUnframed"/>.</param>
    /// <returns>Null where they cannot be gone on with.</returns>
    public static AnswerReader? For(Operation operation, KeptAnswer kept, bool isUnframed = false) => (operation.Protocol, operation.Name) switch
    {
        (Protocol.Ollama, "chat" or "generate") => new NativeReader(kept) { IsUnframed = isUnframed },
        (Protocol.OpenAI, "chat") => new ChatCompletionReader(kept) { IsUnframed = isUnframed },
        (Protocol.OpenAI, "text_completion") => new CompletionReader(kept) { IsUnframed = isUnframed },
        (Protocol.Anthropic, "messages") => new MessagesReader(kept) { IsUnframed = isUnframed },
        _ => null,
    };

    /// <summary>Reads one message.</summary>
    /// <param name="message">Its bytes, without the end of the line or event.</param>
    public abstract AnswerMessage Read(ReadOnlySpan<byte> message);

    /// <summary>Counts a message that had words.</summary>
    protected AnswerMessage Counted(bool hasWords)
    {
        if (!hasWords)
        {
            Kept.IsFramed |= !IsUnframed;
            return AnswerMessage.Frame;
        }

        Kept.Pieces++;
        return AnswerMessage.Words;
    }

    /// <summary>Adds the string on which a reader stands to a text.</summary>
    /// <returns>Whether it has anything in it.</returns>
    protected static bool Take(ref Utf8JsonReader json, PooledText text)
    {
        if (json.TokenType != JsonTokenType.String || (json.HasValueSequence ? json.ValueSequence.IsEmpty : json.ValueSpan.IsEmpty))
            return false;
        text.Append(ref json);
        return true;
    }

    /// <summary>The whole number on which a reader stands; null for none.</summary>
    protected static long? Number(ref Utf8JsonReader json) =>
        json.TokenType == JsonTokenType.Number && json.TryGetInt64(out var number) ? number : null;

    /// <summary>Whether a value is there at all: not null, not an empty array. Reads to its end.</summary>
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

using System.Text.Json;

namespace OllamaBridge.Gateway.Protocols.Answers;

/// <summary>The part of a response that a client has: enough to resume it on another instance. Never logged.</summary>
/// <param name="limit">The most bytes that are kept of the text, and also of the thinking.</param>
internal sealed class ResponseTranscript(int limit) : IDisposable
{
    private byte[]? _first;

    public PooledText Text { get; } = new(limit);

    public PooledText Thinking { get; } = new(limit);

    /// <summary>Messages that had text: about as many tokens.</summary>
    public int Pieces { get; set; }

    /// <summary>Whether the client has a part that cannot be resumed: a tool call, an image, log probabilities.</summary>
    public bool HasMore { get; set; }

    /// <summary>Whether the client has a message of the frame, such as one with the role.</summary>
    public bool IsFramed { get; set; }

    /// <summary>The block that is open at the client (Anthropic).</summary>
    public ResponseBlock Block { get; set; }

    /// <summary>The index of the open block, or else of the last one; -1 before the first.</summary>
    public int BlockIndex { get; set; } = -1;

    /// <summary>The time that earlier instances needed for the response, in ns.</summary>
    public long EarlierDuration { get; set; }

    /// <summary>The end of the response. A field, because readers fill it in parts.</summary>
    public ResponseEnd End;

    /// <summary>Whether everything that was sent is kept and can be resumed.</summary>
    public bool IsWhole => !HasMore && !Text.IsCut && !Thinking.IsCut;

    public bool HasBegun => IsFramed || Pieces > 0;

    /// <summary>Whether thinking was sent, and text after it.</summary>
    public bool HasThought => Thinking.Length > 0 && Text.Length > 0;

    /// <summary>The hidden text before the first text; null if it is not known, or if nothing can be hidden there.</summary>
    public HiddenText? Lead { get; set; }

    /// <summary>The hidden text between thinking and content; null if it is not known.</summary>
    public HiddenText? Close { get; set; }

    /// <summary>Tokens of the prompt by an instance's count; null if no instance has counted them.</summary>
    public long? PromptTokens { get; set; }

    /// <summary>Tokens beyond one for each message, if messages had several.</summary>
    public int JoinedTokens { get; set; }

    /// <summary>Tokens that were generated so far: one for each message, the known hidden ones, and those that came together.</summary>
    public int Tokens => Pieces + JoinedTokens + (Lead?.Tokens ?? 0) + (HasThought ? Close?.Tokens ?? 1 : 0);

    public ResponseMark Mark => new(Text.Length, Thinking.Length, Pieces, IsFramed, HasMore);

    /// <summary>Drops the parts since a mark, because the client is not sent them.</summary>
    public void Return(ResponseMark mark)
    {
        Text.Truncate(mark.Text);
        Thinking.Truncate(mark.Thinking);
        (Pieces, IsFramed, HasMore) = (mark.Pieces, mark.IsFramed, mark.HasMore);
    }

    /// <summary>Keeps the first message, which has the response's id and similar properties.</summary>
    public void KeepFirst(ReadOnlySpan<byte> json)
    {
        // A longer message is not a frame.
        if (_first is null && json.Length <= 4096)
            _first = json.ToArray();
    }

    /// <summary>A property of the first message, by the names of the objects around it and its own.</summary>
    /// <returns>Null if there is none.</returns>
    public JsonElement? First(params ReadOnlySpan<string> path)
    {
        if (_first is null)
            return null;
        try
        {
            var element = JsonElement.Parse(_first);
            foreach (var name in path)
                if (element.ValueKind != JsonValueKind.Object || !element.TryGetProperty(name, out element))
                    return null;
            return element;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    public string? FirstText(string name) => First(name) is { ValueKind: JsonValueKind.String } text ? text.GetString() : null;

    public void Dispose()
    {
        Text.Dispose();
        Thinking.Dispose();
    }
}

/// <summary>A position in a response.</summary>
internal readonly record struct ResponseMark(int Text, int Thinking, int Pieces, bool IsFramed, bool HasMore);

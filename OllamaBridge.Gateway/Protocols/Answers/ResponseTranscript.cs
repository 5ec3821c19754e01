using System.Text.Json;

namespace OllamaBridge.Gateway.Protocols.Answers;

/// <summary>The part of a response that a client has: enough to resume it on another instance. Never logged.</summary>
/// <param name="limit">The most bytes of text that are kept, and also of thinking.</param>
internal sealed class ResponseTranscript(int limit) : IDisposable
{
    private byte[]? _first;

    public PooledText Text { get; } = new(limit);

    public PooledText Thinking { get; } = new(limit);

    /// <summary>Messages that had text: about as many tokens.</summary>
    public int Pieces { get; set; }

    /// <summary>Whether the client has a part that cannot be resumed: a tool call, an image, log probabilities.</summary>
    public bool HasMore { get; set; }

    public bool IsFramed { get; set; }

    public ResponseBlock Block { get; set; }

    /// <summary>The index of the open block, or else of the last one; -1 before the first.</summary>
    public int BlockIndex { get; set; } = -1;

    /// <summary>In ns.</summary>
    public long EarlierDuration { get; set; }

    public ResponseEnd End;

    public bool IsWhole => !HasMore && !Text.IsCut && !Thinking.IsCut;

    public bool HasBegun => IsFramed || Pieces > 0;

    public bool HasThought => Thinking.Length > 0 && Text.Length > 0;

    /// <summary>The hidden text before the first text; null if it is not known, or if nothing can be hidden there.</summary>
    public HiddenText? Lead { get; set; }

    public HiddenText? Close { get; set; }

    public long? PromptTokens { get; set; }

    public int JoinedTokens { get; set; }

    public int Tokens => Pieces + JoinedTokens + (Lead?.Tokens ?? 0) + (HasThought ? Close?.Tokens ?? 1 : 0);

    public ResponseMark Mark => new(Text.Length, Thinking.Length, Pieces, IsFramed, HasMore);

    public void Return(ResponseMark mark)
    {
        Text.Truncate(mark.Text);
        Thinking.Truncate(mark.Thinking);
        (Pieces, IsFramed, HasMore) = (mark.Pieces, mark.IsFramed, mark.HasMore);
    }

    public void KeepFirst(ReadOnlySpan<byte> json)
    {
        // A longer message is not a frame.
        if (_first is null && json.Length <= 4096)
            _first = json.ToArray();
    }

    /// <returns>Null if there is none. <paramref name="path"/> has the names of the objects around the property, and its own.</returns>
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

internal readonly record struct ResponseMark(int Text, int Thinking, int Pieces, bool IsFramed, bool HasMore);

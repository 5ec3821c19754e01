using System.Text.Json;

namespace OllamaBridge.Gateway.Protocols.Answers;

/// <summary>What a client has been sent of an answer: enough to go on with it elsewhere. Never logged.</summary>
/// <param name="limit">The most bytes of text that are kept, and of thinking.</param>
internal sealed class KeptAnswer(int limit) : IDisposable
{
    private byte[]? _first;

    /// <summary>The answer's words.</summary>
    public PooledText Text { get; } = new(limit);

    /// <summary>The thinking before them.</summary>
    public PooledText Thinking { get; } = new(limit);

    /// <summary>Messages that had words: about as many tokens.</summary>
    public int Pieces { get; set; }

    /// <summary>Whether something was sent that cannot be gone on with: a tool's call, an image, probabilities.</summary>
    public bool HasMore { get; set; }

    /// <summary>Whether a message of the frame was sent, such as one with the role.</summary>
    public bool IsFramed { get; set; }

    /// <summary>The block that is open at the client (Anthropic).</summary>
    public AnswerBlock Block { get; set; }

    /// <summary>That block's number, or the last one's.</summary>
    public int BlockIndex { get; set; } = -1;

    /// <summary>How long earlier instances wrote on it, in ns.</summary>
    public long EarlierDuration { get; set; }

    /// <summary>How the answer ended; a field, because readers fill it in part by part.</summary>
    public AnswerEnd End;

    /// <summary>Whether what was sent is all here, and can be gone on with.</summary>
    public bool IsWhole => !HasMore && !Text.IsCut && !Thinking.IsCut;

    /// <summary>Whether anything was sent.</summary>
    public bool HasBegun => IsFramed || Pieces > 0;

    /// <summary>Whether thinking was sent and words after it.</summary>
    public bool HasThought => Thinking.Length > 0 && Text.Length > 0;

    /// <summary>What the model wrote before the first text; null if that is not known, or nothing can be hidden there.</summary>
    public HiddenText? Lead { get; set; }

    /// <summary>What the model wrote between thinking and content; null if that is not known.</summary>
    public HiddenText? Close { get; set; }

    /// <summary>Tokens of the prompt, as an instance has counted them; null if none has been asked.</summary>
    public long? PromptTokens { get; set; }

    /// <summary>Tokens beyond one for each message, where messages had several.</summary>
    public int JoinedTokens { get; set; }

    /// <summary>Tokens that were written so far: one for each message, those that are known to be hidden, and those that came together.</summary>
    public int Tokens => Pieces + JoinedTokens + (Lead?.Tokens ?? 0) + (HasThought ? Close?.Tokens ?? 1 : 0);

    /// <summary>How far it has come.</summary>
    public AnswerMark Mark => new(Text.Length, Thinking.Length, Pieces, IsFramed, HasMore);

    /// <summary>Takes back what a message added that the client is not sent.</summary>
    public void Return(AnswerMark mark)
    {
        Text.Truncate(mark.Text);
        Thinking.Truncate(mark.Thinking);
        (Pieces, IsFramed, HasMore) = (mark.Pieces, mark.IsFramed, mark.HasMore);
    }

    /// <summary>Remembers the first message, which has the answer's id and the like.</summary>
    public void KeepFirst(ReadOnlySpan<byte> json)
    {
        // A longer one is no frame.
        if (_first is null && json.Length <= 4096)
            _first = json.ToArray();
    }

    /// <summary>A property of the first message.</summary>
    /// <param name="path">Its name, and that of what it is in.</param>
    /// <returns>Null where there is none.</returns>
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

    /// <summary>A property of the first message that is text; null for none.</summary>
    public string? FirstText(string name) => First(name) is { ValueKind: JsonValueKind.String } text ? text.GetString() : null;

    /// <inheritdoc/>
    public void Dispose()
    {
        Text.Dispose();
        Thinking.Dispose();
    }
}

/// <summary>How far an answer had come.</summary>
internal readonly record struct AnswerMark(int Text, int Thinking, int Pieces, bool IsFramed, bool HasMore);

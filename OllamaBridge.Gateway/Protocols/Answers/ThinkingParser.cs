using System.Diagnostics;

namespace OllamaBridge.Gateway.Protocols.Answers;

/// <summary>The tags around a model's thinking, as Ollama derives them from the model's template.</summary>
/// <param name="Opening">Such as <c>&lt;think&gt;</c>; without whitespace at its edges.</param>
/// <param name="Closing">Such as <c>&lt;/think&gt;</c>; likewise.</param>
internal sealed record ThinkingTags(string Opening, string Closing);

/// <summary>How far a raw answer has come.</summary>
internal enum ThinkingState
{
    /// <summary>Nothing but whitespace, or the beginning of the opening tag, has been read.</summary>
    Start,

    /// <summary>Nothing but whitespace has followed the opening tag.</summary>
    Opened,

    /// <summary>Thinking.</summary>
    Thinking,

    /// <summary>Nothing but whitespace has followed the closing tag.</summary>
    Closed,

    /// <summary>The answer itself.</summary>
    Content,
}

/// <summary>
/// Separates thinking from content in a raw answer exactly as Ollama does (<c>thinking/parser.go</c>): whitespace before the opening tag, behind it and behind
/// the
/// closing tag is dropped, whitespace before the closing tag is not. Text that is still held at the end of the answer is lost.
/// </summary>
/// <param name="tags">The tags.</param>
/// <param name="state">The state in which the text begins.</param>
internal sealed class ThinkingParser(ThinkingTags tags, ThinkingState state)
{
    private string _held = "";

    /// <summary>How far the answer has come.</summary>
    public ThinkingState State { get; private set; } = state;

    /// <summary>Text that has been read and may be hidden: whitespace, or a part of a tag.</summary>
    public string Held => _held;

    /// <summary>The tags.</summary>
    public ThinkingTags Tags => tags;

    /// <summary>The state in which an answer begins: a prompt that ends with the opening tag has begun the thinking.</summary>
    public static ThinkingState After(string prompt, ThinkingTags tags) =>
        prompt.AsSpan().Trim().EndsWith(tags.Opening) ? ThinkingState.Opened : ThinkingState.Start;

    /// <summary>Reads on.</summary>
    /// <param name="text">The next part of the raw answer.</param>
    /// <returns>The text that a client is shown because of it; either may be empty.</returns>
    public (string Thinking, string Content) Add(string text)
    {
        _held += text;
        if (State == ThinkingState.Start && !TryStart())
            return ("", "");
        if (State == ThinkingState.Opened && !TrySkipWhitespace(ThinkingState.Thinking))
            return ("", "");
        var thinking = State == ThinkingState.Thinking ? TakeThinking() : "";
        if (State == ThinkingState.Thinking || (State == ThinkingState.Closed && !TrySkipWhitespace(ThinkingState.Content)))
            return (thinking, "");
        Debug.Assert(State == ThinkingState.Content);
        var content = _held;
        _held = "";
        return (thinking, content);
    }

    /// <returns>Whether it is known how the answer begins.</returns>
    private bool TryStart()
    {
        var trimmed = _held.TrimStart();
        if (trimmed.StartsWith(tags.Opening, StringComparison.Ordinal))
        {
            _held = trimmed[tags.Opening.Length..];
            State = ThinkingState.Opened;
            return true;
        }

        if (tags.Opening.StartsWith(trimmed, StringComparison.Ordinal))
            return false;
        State = ThinkingState.Content;
        return true;
    }

    private bool TrySkipWhitespace(ThinkingState next)
    {
        _held = _held.TrimStart();
        if (_held.Length == 0)
            return false;
        State = next;
        return true;
    }

    private string TakeThinking()
    {
        var at = _held.IndexOf(tags.Closing, StringComparison.Ordinal);
        var shown = _held[..(at < 0 ? _held.Length - Overlap() : at)];
        if (at >= 0)
            State = ThinkingState.Closed;
        _held = _held[(at < 0 ? shown.Length : at + tags.Closing.Length)..];
        return shown;
    }

    /// <summary>How many characters at the end may be the beginning of the closing tag.</summary>
    private int Overlap()
    {
        for (var length = Math.Min(tags.Closing.Length, _held.Length); length > 0; length--)
            if (_held.EndsWith(tags.Closing[..length], StringComparison.Ordinal))
                return length;
        return 0;
    }
}

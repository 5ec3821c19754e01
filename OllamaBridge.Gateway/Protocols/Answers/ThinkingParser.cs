using System.Diagnostics;

namespace OllamaBridge.Gateway.Protocols.Answers;

/// <summary>The tags around a model's thinking, without whitespace at their edges, as Ollama derives them from the model's template.</summary>
internal sealed record ThinkingTags(string Opening, string Closing);

internal enum ThinkingState
{
    /// <summary>Nothing but whitespace, or the beginning of the opening tag, has been read.</summary>
    Start,

    /// <summary>Nothing but whitespace has followed the opening tag.</summary>
    Opened,

    Thinking,

    /// <summary>Nothing but whitespace has followed the closing tag.</summary>
    Closed,

    Content,
}

/// <summary>Separates thinking from content exactly as Ollama does (<c>thinking/parser.go</c>): whitespace around the opening tag and behind the closing tag is
/// dropped. Text that is still held at the end is lost.</summary>
internal sealed class ThinkingParser(ThinkingTags tags, ThinkingState state)
{
    private string _held = "";

    public ThinkingState State { get; private set; } = state;

    public string Held => _held;

    public ThinkingTags Tags => tags;

    /// <summary>A prompt that ends with the opening tag has begun the thinking.</summary>
    public static ThinkingState After(string prompt, ThinkingTags tags) =>
        prompt.AsSpan().Trim().EndsWith(tags.Opening) ? ThinkingState.Opened : ThinkingState.Start;

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

    private int Overlap()
    {
        for (var length = Math.Min(tags.Closing.Length, _held.Length); length > 0; length--)
            if (_held.EndsWith(tags.Closing[..length], StringComparison.Ordinal))
                return length;
        return 0;
    }
}

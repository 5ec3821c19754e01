namespace OllamaBridge.Gateway.Protocols.Answers;

/// <summary>Tags of thinking and whitespace around them, which clients don't receive. <paramref name="Tokens"/> are those without any visible text.</summary>
internal readonly record struct HiddenText(string Text, int Tokens);

/// <summary>Separates the visible text of a raw answer from the hidden text before the first text and between thinking and content.</summary>
internal sealed class RawAnswer(ThinkingParser parser)
{
    private string _hidden = "";
    private int _tokens;
    private bool _hasThinking = parser.State == ThinkingState.Thinking;
    private bool _hasContent = parser.State == ThinkingState.Content;

    /// <summary>Null before the first visible text, and if the answer is read from its middle.</summary>
    public HiddenText? Lead { get; private set; }

    public HiddenText? Close { get; private set; }

    public (string Thinking, string Content) Add(string token)
    {
        var (thinking, content) = parser.Add(token);
        _hidden += token;
        if (thinking.Length > 0)
            NoteThinking(thinking, content);
        if (content.Length > 0)
            NoteContent(content);
        if (thinking.Length == 0 && content.Length == 0)
            _tokens++;
        return (thinking, content);
    }

    private void NoteThinking(string thinking, string content)
    {
        var end = parser.State == ThinkingState.Thinking
            ? _hidden.Length - parser.Held.Length
            : _hidden.AsSpan(0, _hidden.Length - content.Length).LastIndexOf(parser.Tags.Closing);
        if (!_hasThinking)
            Lead = new HiddenText(_hidden[..(end - thinking.Length)], _tokens);
        _hasThinking = true;
        _hidden = _hidden[end..];
        _tokens = 0;
    }

    private void NoteContent(string content)
    {
        var hidden = new HiddenText(_hidden[..^content.Length], _tokens);
        if (!_hasContent && _hasThinking)
            Close = hidden;
        else if (!_hasContent)
            Lead = hidden;
        _hasContent = true;
        _hidden = "";
        _tokens = 0;
    }
}

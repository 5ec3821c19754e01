namespace OllamaBridge.Gateway.Protocols.Answers;

/// <summary>Text that a model wrote and no client is shown: tags of thinking and the whitespace around them.</summary>
/// <param name="Text">The text.</param>
/// <param name="Tokens">Tokens of which nothing is shown.</param>
internal readonly record struct HiddenText(string Text, int Tokens);

/// <summary>A raw answer, read token by token: the text that a client is shown, and the text that is hidden before the first text and between thinking and
/// content.</summary>
/// <param name="parser">Separates thinking from content.</param>
internal sealed class RawAnswer(ThinkingParser parser)
{
    private string _hidden = "";
    private int _tokens;
    private bool _hasThinking = parser.State == ThinkingState.Thinking;
    private bool _hasContent = parser.State == ThinkingState.Content;

    /// <summary>The hidden text before the first visible text; null before it, and if the answer is read from its middle.</summary>
    public HiddenText? Lead { get; private set; }

    /// <summary>The hidden text between thinking and content; null before content that follows thinking.</summary>
    public HiddenText? Close { get; private set; }

    /// <summary>Reads on.</summary>
    /// <param name="token">The text of the next token.</param>
    /// <returns>The text that a client is shown because of it.</returns>
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

namespace OllamaBridge.Simulator.Text;

/// <summary>
/// The tokens of a response. Each is a function of model, seed and the preceding text, whether that text was generated here
/// or was part of the prompt. Another server can therefore continue exactly.
/// </summary>
internal sealed class AnswerText
{
    private readonly SimulatedModel _model;
    private readonly string? _script;
    private readonly TokenKind _scriptKind;
    private readonly bool _scripted;
    private ulong _hash;
    private SentenceState _sentence;
    // Text to be written before the next word: the tags of thinking and the whitespace around them.
    private string _pending = "";
    private bool _thinking;
    private int _scriptAt;
    private int _count;

    /// <summary>Reads a rendered prompt.</summary>
    /// <param name="model">The model.</param>
    /// <param name="seed">The seed; null if only the prompt matters.</param>
    /// <param name="prompt">All text before the first token.</param>
    /// <param name="script">A generator of text instead of prose, from a number derived from the conversation.</param>
    /// <param name="scriptKind">The kind of the script's tokens.</param>
    public AnswerText(SimulatedModel model, long? seed, string prompt, Func<ulong, string>? script = null, TokenKind scriptKind = TokenKind.Content)
    {
        _model = model;
        _scriptKind = scriptKind;
        var basis = TextHash.Add(TextHash.Seed, ModelName.Normalize(model.Name));
        if (seed is { } number)
            basis = TextHash.Add(basis, number);
        var mark = prompt.LastIndexOf(PromptMarks.Assistant, StringComparison.Ordinal);
        var start = mark < 0 ? prompt.Length : mark + PromptMarks.Assistant.Length;
        var atMark = TextHash.Add(basis, prompt.AsSpan(0, start));
        var said = prompt.AsSpan(start);
        _hash = TextHash.Add(atMark, said);
        Enter(said, isTurn: mark >= 0);
        _sentence = SentenceState.After(prompt);
        if (script is null || _thinking)
            return;
        _script = script(atMark);
        _scripted = true;
        _scriptAt = Math.Min(_script.Length, Answer(said).TrimStart().Length);
    }

    /// <summary>The next token; false at the end of the response.</summary>
    public bool TryNext(out GeneratedToken token)
    {
        var random = TextHash.Mix(_hash);
        var (text, kind) = _pending.Length > 0 ? WritePending() : _scripted ? Recite() : _thinking ? Think(random) : Speak(random);
        token = new GeneratedToken(text ?? "", kind, random);
        if (text is null)
            return false;
        _hash = TextHash.Add(_hash, text);
        return true;
    }

    private (string? Text, TokenKind Kind) WritePending()
    {
        var text = _pending[..Tokenizer.Next(_pending)];
        _pending = _pending[text.Length..];
        if (_pending.Length == 0)
            _sentence = SentenceState.After("\n");
        return (text, TokenKind.Content);
    }

    private (string? Text, TokenKind Kind) Recite()
    {
        if (_scriptAt >= _script!.Length)
            return (null, _scriptKind);
        var length = Tokenizer.Next(_script.AsSpan(_scriptAt));
        var text = _script.Substring(_scriptAt, length);
        _scriptAt += length;
        return (text, _scriptKind);
    }

    private (string? Text, TokenKind Kind) Think(ulong random)
    {
        _count++;
        if (_count < _model.ThinkingTokens)
            return (_sentence.Next(random), TokenKind.Content);
        if (_count == _model.ThinkingTokens && !_sentence.AtStart)
            return (_sentence.Stop(), TokenKind.Content);
        _thinking = false;
        _count = 0;
        _pending = _model.Thinking.Close;
        return WritePending();
    }

    private (string? Text, TokenKind Kind) Speak(ulong random)
    {
        _count++;
        if (_count > _model.AnswerTokens)
            return (null, TokenKind.Content);
        if (_count == _model.AnswerTokens && _count > 2)
            return (_sentence.AtStart ? null : _sentence.Stop(), TokenKind.Content);
        return (_sentence.Next(random), TokenKind.Content);
    }

    /// <summary>Finds the position of the text: before, in or after the thinking.</summary>
    private void Enter(ReadOnlySpan<char> said, bool isTurn)
    {
        var style = _model.Thinking;
        var thinks = isTurn && _model.Can(ModelCapability.Thinking);
        var isClosed = said.Contains(ThinkingStyle.ClosingTag, StringComparison.Ordinal);
        if (!thinks || isClosed || !said.StartsWith(style.Opened))
        {
            var answer = Answer(said);
            _pending = thinks && isClosed ? Rest(answer, AfterTag(style)) : "";
            _count = Tokenizer.Count(_pending.Length > 0 ? "" : answer.TrimStart());
            return;
        }

        _thinking = true;
        var thought = said[style.Opened.Length..];
        _pending = Rest(thought, style.Lead);
        if (_pending.Length > 0)
            return;
        if (style.Lead.Length > 0 && thought.StartsWith(style.Lead))
            thought = thought[style.Lead.Length..];
        var closing = style.Close.Length;
        while (!thought.EndsWith(style.Close.AsSpan(0, closing)))
            closing--;
        _count = Tokenizer.Count(thought[..^closing]);
        if (closing == 0)
            return;
        (_thinking, _count, _pending) = (false, 0, style.Close[closing..]);
    }

    private static string AfterTag(ThinkingStyle style) =>
        style.Close[(style.Close.IndexOf(ThinkingStyle.ClosingTag, StringComparison.Ordinal) + ThinkingStyle.ClosingTag.Length)..];

    /// <summary>The rest of a fixed text that has been written in part; empty if another text has been written.</summary>
    private static string Rest(ReadOnlySpan<char> written, string whole) =>
        written.Length < whole.Length && whole.AsSpan().StartsWith(written) ? whole[written.Length..] : "";

    private static ReadOnlySpan<char> Answer(ReadOnlySpan<char> said)
    {
        var close = said.IndexOf(ThinkingStyle.ClosingTag);
        return close < 0 ? said : said[(close + ThinkingStyle.ClosingTag.Length)..];
    }
}

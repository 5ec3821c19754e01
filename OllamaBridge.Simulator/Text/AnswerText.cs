namespace OllamaBridge.Simulator.Text;

/// <summary>
/// The tokens of an answer. Each is a function of model, seed and the text up to it, whether that text was generated here
/// or came with the prompt: so another server goes on where the first one stopped.
/// </summary>
internal sealed class AnswerText
{
    private readonly SimulatedModel _model;
    private readonly string? _script;
    private readonly TokenKind _scriptKind;
    private ulong _hash;
    private SentenceState _sentence;
    private bool _thinking;
    private readonly bool _scripted;
    private int _scriptAt;
    private int _count;

    /// <summary>Reads a rendered prompt.</summary>
    /// <param name="model">Who answers.</param>
    /// <param name="seed">The seed; null where the prompt alone decides.</param>
    /// <param name="prompt">All text before the first token.</param>
    /// <param name="script">A text to say instead of prose, made of a number that the conversation gives.</param>
    /// <param name="scriptKind">What the script's tokens are.</param>
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
        Enter(said);
        _sentence = SentenceState.After(prompt);
        if (script is null || _thinking)
            return;
        _script = script(atMark);
        _scripted = true;
        _scriptAt = Math.Min(_script.Length, Said(said).Length);
    }

    /// <summary>The next token; false where the answer ends by itself.</summary>
    public bool TryNext(out GeneratedToken token)
    {
        var random = TextHash.Mix(_hash);
        var (text, kind) = _scripted ? Recite() : _thinking ? Think(random) : Speak(random);
        token = new GeneratedToken(text ?? "", kind, random);
        if (text is null)
            return false;
        _hash = TextHash.Add(_hash, text);
        _count++;
        return true;
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
        if (_count < _model.ThinkingTokens - 1)
            return (_sentence.Next(random), TokenKind.Thinking);
        if (_count == _model.ThinkingTokens - 1 && !_sentence.AtStart)
            return (_sentence.Stop(), TokenKind.Thinking);
        _thinking = false;
        _count = -1;
        _sentence = SentenceState.After("\n");
        return (PromptMarks.ThinkClose, TokenKind.Markup);
    }

    private (string? Text, TokenKind Kind) Speak(ulong random)
    {
        if (_count >= _model.AnswerTokens)
            return (null, TokenKind.Content);
        if (_count == _model.AnswerTokens - 1 && _count > 1)
            return (_sentence.AtStart ? null : _sentence.Stop(), TokenKind.Content);
        return (_sentence.Next(random), TokenKind.Content);
    }

    private void Enter(ReadOnlySpan<char> said)
    {
        _thinking = said.StartsWith(PromptMarks.ThinkOpen) && said.IndexOf(PromptMarks.ThinkClose) < 0;
        _count = Tokenizer.Count(_thinking ? said[PromptMarks.ThinkOpen.Length..] : Said(said));
    }

    private static ReadOnlySpan<char> Said(ReadOnlySpan<char> said)
    {
        var close = said.IndexOf(PromptMarks.ThinkClose);
        return close < 0 ? said : said[(close + PromptMarks.ThinkClose.Length)..];
    }
}

namespace OllamaBridge.Simulator.Generation;

/// <summary>
/// Separates thinking from content as the server does (Ollama's <c>thinking/parser.go</c>; <c>model/parsers/qwen3.go</c> if <paramref name="trims"/> is set).
/// It drops whitespace before the opening tag, after it and after the closing tag. Text that it still holds at the end of the response is lost.
/// </summary>
/// <param name="isOpened">Whether the prompt ends with the opening tag.</param>
/// <param name="trims">Whether to drop whitespace before the closing tag and at the end of the content, too.</param>
internal sealed class ThinkingReader(bool isOpened, bool trims = false)
{
    private State _state = isOpened ? State.Opened : State.Start;
    private string _held = "";

    private enum State
    {
        Start,
        Opened,
        Thinking,
        Closed,
        Content,
    }

    /// <summary>Creates the reader that the server uses for a request.</summary>
    /// <param name="model">The model.</param>
    /// <param name="prompt">The rendered prompt.</param>
    /// <param name="think">The request's option; null for the model's default, which is to think.</param>
    /// <param name="isNative">Whether llama-server parses the conversation, which happens on <c>/api/chat</c> only.</param>
    /// <returns>Null if the response passes through.</returns>
    public static ThinkingReader? For(SimulatedModel model, string prompt, bool? think, bool isNative = false)
    {
        if (!model.Can(ModelCapability.Thinking) || think == false || (model.Template == ChatTemplate.Jinja && !isNative))
            return null;
        var opened = prompt.AsSpan().TrimEnd().EndsWith(ThinkingStyle.OpeningTag);
        return new ThinkingReader(opened, model.Template == ChatTemplate.Jinja || model.Thinking.Parser is not null);
    }

    /// <summary>Adds the text of a token.</summary>
    /// <returns>The text that becomes visible; either part may be empty.</returns>
    public (string Thinking, string Content) Add(string text)
    {
        _held += text;
        if (_state == State.Start && !TryStart())
            return ("", "");
        if (_state == State.Opened)
        {
            _held = _held.TrimStart();
            if (_held.Length == 0)
                return ("", "");
            _state = State.Thinking;
        }

        var thinking = _state == State.Thinking ? Think() : "";
        if (_state == State.Thinking)
            return (thinking, "");
        if (_state == State.Closed)
        {
            _held = _held.TrimStart();
            if (_held.Length > 0)
                _state = State.Content;
        }

        return (thinking, TakeContent());
    }

    /// <returns>Whether the beginning of the response has been determined.</returns>
    private bool TryStart()
    {
        var trimmed = _held.TrimStart();
        if (trimmed.StartsWith(ThinkingStyle.OpeningTag, StringComparison.Ordinal))
        {
            _held = trimmed[ThinkingStyle.OpeningTag.Length..];
            _state = State.Opened;
            return true;
        }

        if (ThinkingStyle.OpeningTag.StartsWith(trimmed, StringComparison.Ordinal))
            return false;
        _state = State.Content;
        return true;
    }

    private string Think()
    {
        var at = _held.IndexOf(ThinkingStyle.ClosingTag, StringComparison.Ordinal);
        if (at >= 0)
        {
            var last = _held[..at];
            _held = _held[(at + ThinkingStyle.ClosingTag.Length)..];
            _state = State.Closed;
            return trims ? last.TrimEnd() : last;
        }

        var keep = Math.Min(ThinkingStyle.ClosingTag.Length - 1, _held.Length);
        while (!_held.EndsWith(ThinkingStyle.ClosingTag[..keep], StringComparison.Ordinal))
            keep--;
        var shown = _held[..^keep];
        if (trims)
            shown = shown.TrimEnd();
        _held = _held[shown.Length..];
        return shown;
    }

    private string TakeContent()
    {
        var shown = trims ? _held.TrimEnd() : _held;
        _held = _held[shown.Length..];
        return shown;
    }
}

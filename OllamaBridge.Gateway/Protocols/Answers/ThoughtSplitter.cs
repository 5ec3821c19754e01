using System.Text;
using System.Text.Json;

namespace OllamaBridge.Gateway.Protocols.Answers;

/// <summary>
/// Separates thinking from text in a raw response, which a server does not parse. Thinking lasts until a mark; blanks around the mark belong to
/// neither (as in Ollama's <c>thinking/parser.go</c>).
/// </summary>
/// <param name="mark">The end of the thinking, such as <c>&lt;/think&gt;</c>.</param>
internal sealed class ThoughtSplitter(ReadOnlyMemory<byte> mark)
{
    private static readonly byte[] Blanks = [.. " \n\r\t"u8];
    // A possible beginning of the mark, with the blanks before it.
    private readonly List<byte> _held = [];
    // Messages of which nothing is kept yet. Another instance would generate them again, so they count only once kept text follows.
    private int _uncounted;
    private bool _ended;
    private bool _hasWords;

    /// <summary>Takes the string at the reader's position.</summary>
    /// <returns>
    /// Whether the message counts as one with text. It does once its text is known to be thinking or text. The mark itself does not count here:
    /// <see cref="KeptAnswer.Tokens"/> counts it if text follows thinking.
    /// </returns>
    public bool Take(ref Utf8JsonReader json, KeptAnswer kept)
    {
        if (json.TokenType != JsonTokenType.String || json.GetString() is not { Length: > 0 } said)
            return false;
        var text = Encoding.UTF8.GetBytes(said);
        if (_ended)
            return TakeWords(text, kept) ? Counts(kept) : Waits();

        _held.AddRange(text);
        var held = _held.ToArray().AsSpan();
        var at = held.IndexOf(mark.Span);
        if (at >= 0)
        {
            kept.Thinking.Append(held[..at].TrimEnd(Blanks));
            _ended = true;
            _held.Clear();
            var thought = text.AsSpan(0, Math.Max(0, at - (held.Length - text.Length)));
            return (TakeWords(held[(at + mark.Length)..], kept) || !thought.Trim(Blanks).IsEmpty) && Counts(kept);
        }

        var keep = Uncertain(held);
        kept.Thinking.Append(held[..^keep]);
        _held.RemoveRange(0, held.Length - keep);
        if (keep < held.Length)
            Counts(kept);
        return keep < text.Length || Waits();
    }

    /// <summary>Ends the response: the held text is not a mark.</summary>
    public void Finish(KeptAnswer kept)
    {
        kept.Thinking.Append(_held.ToArray().AsSpan().TrimEnd(Blanks));
        _held.Clear();
        Counts(kept);
    }

    private bool Counts(KeptAnswer kept)
    {
        kept.Pieces += _uncounted;
        _uncounted = 0;
        return true;
    }

    private bool Waits()
    {
        _uncounted++;
        return false;
    }

    private bool TakeWords(ReadOnlySpan<byte> words, KeptAnswer kept)
    {
        if (!_hasWords)
            words = words.TrimStart(Blanks);
        _hasWords |= !words.IsEmpty;
        kept.Text.Append(words);
        return !words.IsEmpty;
    }

    /// <summary>The number of bytes at the end that may be blanks before the mark, or a beginning of it.</summary>
    private int Uncertain(ReadOnlySpan<byte> held)
    {
        for (var length = Math.Min(mark.Length - 1, held.Length); length >= 0; length--)
            if (held.EndsWith(mark.Span[..length]))
                return held.Length - held[..^length].TrimEnd(Blanks).Length;
        return 0;
    }
}

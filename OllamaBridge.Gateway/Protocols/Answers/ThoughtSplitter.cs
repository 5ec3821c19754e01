using System.Text.Json;

namespace OllamaBridge.Gateway.Protocols.Answers;

/// <summary>
/// Tells thinking from words in a raw answer, which a server does not parse: thinking goes on until a mark, blanks around which belong to
/// neither (as in Ollama's <c>thinking/parser.go</c>).
/// </summary>
/// <param name="mark">What ends the thinking, such as <c>&lt;/think&gt;</c>.</param>
internal sealed class ThoughtSplitter(ReadOnlyMemory<byte> mark)
{
    // What may be the beginning of the mark, with the blanks before it.
    private readonly List<byte> _held = [];
    private bool _ended;
    private bool _hasWords;

    /// <summary>Takes the string on which a reader stands.</summary>
    /// <returns>Whether it had anything in it; the mark's parts count, as tokens do.</returns>
    public bool Take(ref Utf8JsonReader json, KeptAnswer kept)
    {
        if (json.TokenType != JsonTokenType.String || json.GetString() is not { Length: > 0 } text)
            return false;
        if (_ended)
        {
            return TakeWords(System.Text.Encoding.UTF8.GetBytes(text), kept);
        }

        _held.AddRange(System.Text.Encoding.UTF8.GetBytes(text));
        var held = _held.ToArray().AsSpan();
        var at = held.IndexOf(mark.Span);
        if (at >= 0)
        {
            kept.Thinking.Append(held[..at].TrimEnd(" \n\r\t"u8));
            _ended = true;
            _held.Clear();
            // The mark itself is counted where words follow thinking.
            return TakeWords(held[(at + mark.Length)..], kept) || at > 0;
        }

        var keep = Uncertain(held);
        kept.Thinking.Append(held[..^keep]);
        _held.RemoveRange(0, held.Length - keep);
        return keep < held.Length;
    }

    /// <summary>The answer has ended: what was held is no mark.</summary>
    public void Finish(KeptAnswer kept)
    {
        kept.Thinking.Append(_held.ToArray().AsSpan().TrimEnd(" \n\r\t"u8));
        _held.Clear();
    }

    private bool TakeWords(ReadOnlySpan<byte> words, KeptAnswer kept)
    {
        if (!_hasWords)
            words = words.TrimStart(" \n\r\t"u8);
        _hasWords |= !words.IsEmpty;
        kept.Text.Append(words);
        return !words.IsEmpty;
    }

    /// <summary>How many bytes at the end may be blanks before the mark, or a beginning of it.</summary>
    private int Uncertain(ReadOnlySpan<byte> held)
    {
        for (var length = Math.Min(mark.Length - 1, held.Length); length >= 0; length--)
            if (held.EndsWith(mark.Span[..length]))
                return held.Length - held[..^length].TrimEnd(" \n\r\t"u8).Length;
        return 0;
    }
}

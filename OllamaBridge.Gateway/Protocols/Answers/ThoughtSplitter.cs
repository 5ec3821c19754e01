using System.Text;
using System.Text.Json;

namespace OllamaBridge.Gateway.Protocols.Answers;

/// <summary>
/// Tells thinking from words in a raw answer, which a server does not parse: thinking goes on until a mark, blanks around which belong to
/// neither (as in Ollama's <c>thinking/parser.go</c>).
/// </summary>
/// <param name="mark">What ends the thinking, such as <c>&lt;/think&gt;</c>.</param>
internal sealed class ThoughtSplitter(ReadOnlyMemory<byte> mark)
{
    private static readonly byte[] Blanks = [.. " \n\r\t"u8];
    // What may be the beginning of the mark, with the blanks before it.
    private readonly List<byte> _held = [];
    // Messages of which nothing has been kept yet. Another instance would write them again, so they count once something follows.
    private int _uncounted;
    private bool _ended;
    private bool _hasWords;

    /// <summary>Takes the string on which a reader stands.</summary>
    /// <returns>Whether the message counts as one that had words: each does as soon as it is known to what it belongs, but the mark, which is
    /// counted where words follow thinking.</returns>
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

    /// <summary>The answer has ended: what was held is no mark.</summary>
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

    /// <summary>How many bytes at the end may be blanks before the mark, or a beginning of it.</summary>
    private int Uncertain(ReadOnlySpan<byte> held)
    {
        for (var length = Math.Min(mark.Length - 1, held.Length); length >= 0; length--)
            if (held.EndsWith(mark.Span[..length]))
                return held.Length - held[..^length].TrimEnd(Blanks).Length;
        return 0;
    }
}

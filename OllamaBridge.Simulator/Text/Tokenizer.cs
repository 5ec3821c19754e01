namespace OllamaBridge.Simulator.Text;

/// <summary>
/// The simulator's tokenizer: a word with the space before it, a number, a punctuation mark, a "&lt;|marker|&gt;".
/// The joined tokens equal the text, so a partial response has as many tokens as were sent.
/// </summary>
internal static class Tokenizer
{
    private const int VocabularySize = 32_000;

    /// <summary>Length of the first token of a text that is not empty.</summary>
    public static int Next(ReadOnlySpan<char> text)
    {
        if (text.StartsWith("<|"))
        {
            var end = text.IndexOf("|>");
            if (end > 0)
                return end + 2;
        }
        if (text.StartsWith(ThinkingStyle.ClosingTag))
            return ThinkingStyle.ClosingTag.Length;
        if (text.StartsWith(ThinkingStyle.OpeningTag))
            return ThinkingStyle.OpeningTag.Length;
        var at = 0;
        while (at < text.Length && char.IsWhiteSpace(text[at]))
            at++;
        if (at == text.Length)
            return at;
        if (at > 0 && text[at - 1] != ' ')
            return at;
        if (!IsWord(text[at]))
            return at + 1;
        while (at < text.Length && IsWord(text[at]))
            at++;
        return at;
    }

    public static int Count(ReadOnlySpan<char> text)
    {
        var count = 0;
        for (; !text.IsEmpty; count++)
            text = text[Next(text)..];
        return count;
    }

    /// <summary>Adds a number for each token of a text.</summary>
    public static void Ids(ReadOnlySpan<char> text, List<int> ids)
    {
        while (!text.IsEmpty)
        {
            var length = Next(text);
            ids.Add(Id(text[..length]));
            text = text[length..];
        }
    }

    public static int Id(ReadOnlySpan<char> token) => (int)(TextHash.Add(TextHash.Seed, token) % VocabularySize);

    private static bool IsWord(char c) => char.IsLetterOrDigit(c) || c is '\'' or '_' or '-';
}

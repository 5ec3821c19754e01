namespace OllamaBridge.Simulator.Text;

/// <summary>Words of one kind in all spellings of tokens, cached.</summary>
internal sealed class WordList
{
    private readonly string[][] _forms;

    public WordList(params string[] plain)
    {
        Plain = plain;
        _forms =
        [
            plain,
            [.. plain.Select(w => " " + w)],
            [.. plain.Select(Capital)],
            [.. plain.Select(w => " " + Capital(w))],
        ];
    }

    public IReadOnlyList<string> Plain { get; }

    public string Pick(ulong random, bool space, bool capital)
    {
        var form = _forms[(capital ? 2 : 0) + (space ? 1 : 0)];
        return form[(int)(random % (ulong)form.Length)];
    }

    private static string Capital(string word) => char.ToUpperInvariant(word[0]) + word[1..];
}

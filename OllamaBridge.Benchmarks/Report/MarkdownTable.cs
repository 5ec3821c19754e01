using System.Text;

namespace OllamaBridge.Benchmarks.Report;

internal sealed class MarkdownTable
{
    private readonly StringBuilder _text = new();

    public MarkdownTable(params string[] headings)
    {
        Add(headings);
        Add([.. headings.Select(_ => "---")]);
    }

    public static string Result(bool met) => met ? "met" : "**missed**";

    public void Add(params string[] cells) => _text.Append("| ").AppendJoin(" | ", cells).Append(" |\n");

    public override string ToString() => _text.ToString();
}

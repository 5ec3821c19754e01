using System.Text;

namespace OllamaBridge.Benchmarks.Report;

/// <summary>A table in Markdown.</summary>
internal sealed class MarkdownTable
{
    private readonly StringBuilder _text = new();

    public MarkdownTable(params string[] headings)
    {
        Add(headings);
        Add([.. headings.Select(_ => "---")]);
    }

    /// <summary>How a target's fate is written.</summary>
    public static string Result(bool met) => met ? "met" : "**missed**";

    /// <summary>Adds a row.</summary>
    public void Add(params string[] cells) => _text.Append("| ").AppendJoin(" | ", cells).Append(" |\n");

    /// <inheritdoc/>
    public override string ToString() => _text.ToString();
}

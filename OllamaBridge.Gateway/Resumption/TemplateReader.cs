using System.Text;

namespace OllamaBridge.Gateway.Resumption;

internal enum TemplateNodeKind
{
    Text,

    Action,

    Branch,

    Range,

    Definition,
}

/// <param name="Text">The literal text, or the pipeline without its string literals.</param>
internal sealed record TemplateNode(TemplateNodeKind Kind, string Text)
{
    public List<TemplateNode> List { get; } = [];

    public List<TemplateNode> Else { get; } = [];
}

/// <summary>Parses the structure of a Go template (<c>text/template/parse</c>) as far as the tags of thinking require. Pure.</summary>
internal sealed class TemplateReader
{
    private readonly Stack<(TemplateNode Node, List<TemplateNode> List, int Depth)> _open = new();
    private readonly List<TemplateNode> _root = [];
    private List<TemplateNode> _list;

    private TemplateReader() => _list = _root;

    public static bool TryRead(string template, out List<TemplateNode> root)
    {
        var reader = new TemplateReader();
        root = reader._root;
        var rest = template.AsSpan();
        var trims = false;
        while (true)
        {
            var open = rest.IndexOf("{{");
            if (open < 0)
            {
                reader.AddText(rest, trims, trimsEnd: false);
                return reader._open.Count == 0;
            }

            var text = rest[..open];
            rest = rest[(open + 2)..];
            var trimsBefore = rest.Length > 1 && rest[0] == '-' && char.IsWhiteSpace(rest[1]);
            reader.AddText(text, trims, trimsBefore);
            if (trimsBefore)
                rest = rest[1..];
            if (TakeAction(ref rest, out trims) is not { } action || !reader.Add(action))
                return false;
        }
    }

    private void AddText(ReadOnlySpan<char> text, bool trimsStart, bool trimsEnd)
    {
        const string Blanks = " \t\r\n";
        if (trimsStart)
            text = text.TrimStart(Blanks);
        if (trimsEnd)
            text = text.TrimEnd(Blanks);
        if (!text.IsEmpty)
            _list.Add(new TemplateNode(TemplateNodeKind.Text, text.ToString()));
    }

    private static string? TakeAction(ref ReadOnlySpan<char> rest, out bool trims)
    {
        trims = false;
        if (rest.TrimStart().StartsWith("/*"))
        {
            var end = rest.IndexOf("*/");
            if (end < 0)
                return null;
            var after = rest[(end + 2)..];
            trims = after.StartsWith(" -}}");
            if (!trims && !after.StartsWith("}}"))
                return null;
            rest = after[(trims ? 4 : 2)..];
            return "";
        }

        var text = new StringBuilder();
        for (var at = 0; at < rest.Length; at++)
        {
            if (rest[at..].StartsWith("}}"))
            {
                trims = at > 1 && rest[at - 1] == '-' && char.IsWhiteSpace(rest[at - 2]);
                if (trims)
                    text.Length--;
                rest = rest[(at + 2)..];
                return text.ToString().Trim();
            }

            if (rest[at] is not ('"' or '`' or '\''))
            {
                text.Append(rest[at]);
                continue;
            }

            var quote = rest[at];
            for (at++; at < rest.Length && rest[at] != quote; at++)
                if (rest[at] == '\\' && quote != '`')
                    at++;
            text.Append("\"\"");
        }

        return null;
    }

    private bool Add(string action)
    {
        var end = action.IndexOfAny([' ', '\t', '\r', '\n', '(']);
        var (word, pipeline) = end < 0 ? (action, "") : (action[..end], action[end..].Trim());
        switch (word)
        {
            // A comment.
            case "" when action.Length == 0:
            case "break" or "continue" when pipeline.Length == 0:
                return true;
            case "if" or "with":
                Open(new TemplateNode(TemplateNodeKind.Branch, pipeline), depth: 1);
                return true;
            case "range":
                Open(new TemplateNode(TemplateNodeKind.Range, pipeline), depth: 1);
                return true;
            case "define":
                _open.Push((new TemplateNode(TemplateNodeKind.Definition, ""), _list, 1));
                _list = [];
                return true;
            case "block":
                _list.Add(new TemplateNode(TemplateNodeKind.Action, pipeline));
                _open.Push((new TemplateNode(TemplateNodeKind.Definition, ""), _list, 1));
                _list = [];
                return true;
            case "else":
                return Else(pipeline);
            case "end":
                return End();
            default:
                _list.Add(new TemplateNode(TemplateNodeKind.Action, action));
                return true;
        }
    }

    private void Open(TemplateNode node, int depth)
    {
        _list.Add(node);
        _open.Push((node, _list, depth));
        _list = node.List;
    }

    /// <summary><c>else if</c> is a condition of its own inside <c>else</c>, closed by the same <c>end</c>.</summary>
    private bool Else(string rest)
    {
        if (!_open.TryPeek(out var open) || open.Node.Kind == TemplateNodeKind.Definition)
            return false;
        _list = open.Node.Else;
        if (rest.Length == 0)
            return true;
        var end = rest.IndexOfAny([' ', '(', '\t', '\r', '\n']);
        if (end < 0 || rest[..end] is not ("if" or "with"))
            return false;
        Open(new TemplateNode(TemplateNodeKind.Branch, rest[end..].Trim()), depth: open.Depth + 1);
        return true;
    }

    private bool End()
    {
        if (!_open.TryPeek(out var top))
            return false;
        for (var left = top.Depth; left > 0; left--)
            _list = _open.Pop().List;
        return true;
    }
}

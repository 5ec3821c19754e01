using System.Text.RegularExpressions;
using OllamaBridge.Gateway.Protocols.Answers;

namespace OllamaBridge.Gateway.Resumption;

/// <summary>Derives tags as Ollama does (<c>thinking/template.go</c>): the texts around <c>.Thinking</c> in a <c>range</c> over <c>.Messages</c>.</summary>
internal static partial class TemplateTags
{
    /// <returns>Null if the template has no tags or cannot be parsed.</returns>
    public static ThinkingTags? Find(string template)
    {
        var finder = new Finder();
        if (!TemplateReader.TryRead(template, out var root))
            return null;
        finder.Visit(root, isInMessages: false);
        return finder.Opening.Length > 0 && finder.Closing.Length > 0 ? new ThinkingTags(finder.Opening, finder.Closing) : null;
    }

    // Fields of the dot only, not of variables or other fields.
    [GeneratedRegex("(?<![\\w.$)])\\.(\\w+)")]
    private static partial Regex Field();

    private sealed class Finder
    {
        public string Opening { get; private set; } = "";

        public string Closing { get; private set; } = "";

        public void Visit(List<TemplateNode> list, bool isInMessages)
        {
            foreach (var node in list)
            {
                if (node.Kind == TemplateNodeKind.Text)
                    continue;
                // The innermost loop decides, and its own pipeline belongs to it.
                var isInside = node.Kind == TemplateNodeKind.Range ? Has(node.Text, "Messages") : isInMessages;
                if (isInside && Has(node.Text, "Thinking"))
                    Take(list);
                Visit(node.List, isInside);
                Visit(node.Else, isInside);
            }
        }

        private void Take(List<TemplateNode> list)
        {
            if (list[0].Kind == TemplateNodeKind.Text)
                Opening = list[0].Text.Trim();
            if (list[^1].Kind == TemplateNodeKind.Text)
                Closing = list[^1].Text.Trim();
        }

        private static bool Has(string pipeline, string field)
        {
            foreach (Match match in Field().Matches(pipeline))
                if (match.Groups[1].Value == field)
                    return true;
            return false;
        }
    }
}

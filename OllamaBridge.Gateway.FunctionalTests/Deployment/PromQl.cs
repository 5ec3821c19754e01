using System.Text.RegularExpressions;
using OllamaBridge.Gateway.FunctionalTests.Telemetry;

namespace OllamaBridge.Gateway.FunctionalTests.Deployment;

/// <summary>Checks the names in a query against <c>docs/metrics.md</c>. Prometheus itself checks the syntax.</summary>
internal static partial class PromQl
{
    // Labels of targets and of histograms; deploy/prometheus/prometheus.yml sets `bridge`.
    private static readonly string[] Foreign = ["job", "instance", "bridge", "le"];
    private static readonly string[] Keywords = ["or", "and", "unless", "offset", "bool"];

    /// <summary>Fails unless every metric of a query is documented or recorded, and has the labels that the query uses.</summary>
    /// <param name="query">The query.</param>
    /// <param name="recorded">The names of recording rules.</param>
    public static void AssertKnown(string query, IReadOnlySet<string> recorded)
    {
        var grouped = Grouping().Matches(query).SelectMany(m => m.Groups["labels"].Value.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)).ToArray();
        var rest = Grouping().Replace(query, " ");
        var labels = Foreign.ToHashSet();
        foreach (Match selector in Selector().Matches(rest))
        {
            var name = selector.Groups["name"].Value;
            var has = LabelsOf(name, query);
            foreach (var label in Matcher().Matches(selector.Groups["matchers"].Value).Select(m => m.Groups[1].Value))
                Assert.True(has.Contains(label) || Foreign.Contains(label), $"{name} has no label {label}: {query}");
        }

        rest = Range().Replace(Selector().Replace(rest, "${name}"), "");
        foreach (var name in Name().Matches(rest).Select(m => m.Value).Except(Keywords).Where(n => !recorded.Contains(n)))
            labels.UnionWith(LabelsOf(name, query));
        Assert.All(grouped, label => Assert.True(labels.Contains(label), $"no metric has a label {label}: {query}"));
    }

    /// <summary>The documented labels of a series, including a histogram's parts.</summary>
    public static IReadOnlySet<string> LabelsOf(string name, string query)
    {
        var guide = MetricsGuide.Read();
        if (name == "up")
            return Foreign.ToHashSet();
        var family = Suffix().Replace(name, "");
        if (family != name && guide.TryGetValue(family, out var histogram) && histogram.Type == "histogram")
            return histogram.Labels;
        Assert.True(guide.TryGetValue(name, out var row) && row.Type != "histogram", $"{name} is not a series in docs/metrics.md: {query}");
        return row.Labels;
    }

    [GeneratedRegex(@"\b(?:by|on|without|ignoring)\s*\((?<labels>[^)]*)\)")]
    private static partial Regex Grouping();

    [GeneratedRegex(@"(?<name>[a-zA-Z_:][\w:]*)\{(?<matchers>[^}]*)\}")]
    private static partial Regex Selector();

    [GeneratedRegex(@"(\w+)\s*(?:=~|!~|!=|=)\s*""")]
    private static partial Regex Matcher();

    [GeneratedRegex(@"\[[^\]]*\]")]
    private static partial Regex Range();

    // A name before a parenthesis is a function. A token that begins with a digit is a number or a duration.
    [GeneratedRegex(@"(?<![\w:.])(?>[a-zA-Z_:][\w:]*)(?!\s*\()")]
    private static partial Regex Name();

    [GeneratedRegex("_(bucket|sum|count)$")]
    private static partial Regex Suffix();
}

using System.Globalization;
using System.Text.RegularExpressions;

namespace OllamaBridge.Gateway.FunctionalTests.Telemetry;

/// <summary>One line of a scrape in Prometheus' text format. The name has its suffix.</summary>
internal sealed partial record ScrapedMetric(string Name, IReadOnlyDictionary<string, string> Labels, double Value)
{
    /// <summary>The name without a histogram's suffix.</summary>
    public string Family => Suffix().Replace(Name, "");

    public static IReadOnlyList<ScrapedMetric> Read(string text) =>
    [
        .. text.Split('\n').Where(line => line.Length > 0 && line[0] != '#').Select(line =>
        {
            var match = Line().Match(line);
            Assert.True(match.Success, line);
            return new ScrapedMetric(
                match.Groups["name"].Value,
                Label().Matches(match.Groups["labels"].Value).ToDictionary(l => l.Groups[1].Value, l => l.Groups[2].Value),
                double.Parse(match.Groups["value"].Value, CultureInfo.InvariantCulture));
        }),
    ];

    [GeneratedRegex(@"^(?<name>[a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?<labels>.*)\})? (?<value>\S+)")]
    private static partial Regex Line();

    [GeneratedRegex("([a-zA-Z_][a-zA-Z0-9_]*)=\"((?:[^\"\\\\]|\\\\.)*)\"")]
    private static partial Regex Label();

    [GeneratedRegex("_(bucket|sum|count)$")]
    private static partial Regex Suffix();
}

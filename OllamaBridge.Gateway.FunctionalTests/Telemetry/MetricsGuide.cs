using System.Text.RegularExpressions;
using OllamaBridge.Testing.Repository;

namespace OllamaBridge.Gateway.FunctionalTests.Telemetry;

/// <summary>The tables of <c>docs/metrics.md</c>: the name, type and labels of each series.</summary>
internal static partial class MetricsGuide
{
    private static readonly string[] GenAiLabels = ["gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model"];

    public static IReadOnlyDictionary<string, (string Type, IReadOnlySet<string> Labels)> Read() =>
        RepositoryFiles.Read("docs/metrics.md").Split('\n')
            .Select(line => Row().Match(line))
            .Where(row => row.Success)
            .ToDictionary(
                row => row.Groups["name"].Value,
                row => (
                    row.Groups["type"].Value,
                    (IReadOnlySet<string>)row.Groups["labels"].Value.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)
                        .Concat(row.Groups["name"].Value.StartsWith("gen_ai_", StringComparison.Ordinal) ? GenAiLabels : [])
                        .ToHashSet()));

    [GeneratedRegex(@"^\| `(?<name>[a-z_]+)` \| (?<type>counter|gauge|histogram) \|(?<labels>[^|]*)\|")]
    private static partial Regex Row();
}

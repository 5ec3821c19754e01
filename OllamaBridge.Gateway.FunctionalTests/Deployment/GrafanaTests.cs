using System.Text.RegularExpressions;

namespace OllamaBridge.Gateway.FunctionalTests.Deployment;

/// <summary>The dashboard's queries use existing metrics, and Grafana can lay out its panels.</summary>
public sealed partial class GrafanaTests
{
    private const int Columns = 24;

    [Fact]
    public void Dashboard_Expressions_DocumentedMetricsAndLabels()
    {
        Assert.All(Dashboard.Panels, panel => Assert.Equal(panel.IsRow, panel.Queries.Count == 0));
        Assert.All(Dashboard.Panels.SelectMany(p => p.Queries), query => PromQl.AssertKnown(query, PrometheusFiles.Recorded));
    }

    [Fact]
    public void Dashboard_Variables_DocumentedLabels()
    {
        Assert.Equal(["instance", "model", "tenant"], Dashboard.Variables.Select(v => v.Name));
        foreach (var (name, query) in Dashboard.Variables)
        {
            Assert.EndsWith($", {name})", query, StringComparison.Ordinal);
            Assert.NotEmpty(MetricName().Matches(query));
            Assert.All(MetricName().Matches(query), metric => Assert.Contains(name, PromQl.LabelsOf(metric.Value, query)));
        }

        var used = Dashboard.Panels.SelectMany(p => p.Queries).SelectMany(q => Variable().Matches(q)).Select(m => m.Groups[1].Value).Distinct();
        Assert.Equal(["instance", "model", "tenant"], used.Except(["__rate_interval"]).Order());
    }

    [Fact]
    public void Dashboard_Panels_UniqueIdsAndNoOverlap()
    {
        Assert.Equal(Dashboard.Panels.Count, Dashboard.Panels.Select(p => p.Id).Distinct().Count());
        var taken = new Dictionary<(int, int), string>();
        foreach (var (panel, (x, y, width, height)) in Dashboard.Panels.Select(p => (p, p.Place)))
        {
            Assert.InRange(x + width, 1, Columns);
            for (var i = 0; i < width * height; i++)
                Assert.True(taken.TryAdd((x + i % width, y + i / width), panel.Title), $"{panel.Title} overlaps {taken.GetValueOrDefault((x + i % width, y + i / width))}");
        }
    }

    [Fact]
    public void Dashboard_Rows_ExpectedTopics() =>
        Assert.Equal(["Fleet", "Models", "Tenants", "Latency", "Failures", "GPU", "Tiers and regions"], Dashboard.Panels.Where(p => p.IsRow).Select(p => p.Title));

    [GeneratedRegex("(?:ollama|gen_ai)_[a-z_]+")]
    private static partial Regex MetricName();

    [GeneratedRegex(@"\$(\w+)")]
    private static partial Regex Variable();
}

using System.Text.RegularExpressions;

namespace OllamaBridge.Gateway.Tests.Deployment;

/// <summary>The dashboard asks for metrics that there are.</summary>
public sealed partial class GrafanaTests
{
    [Fact]
    public void Dashboard_Expressions_MetricsOfTheGuide()
    {
        var guide = RepositoryFiles.Read("docs/metrics.md");
        var asked = MetricName().Matches(RepositoryFiles.Read("deploy/grafana/ollamabridge.json")).Select(m => m.Value).ToHashSet();

        Assert.NotEmpty(asked);
        Assert.All(asked, name => Assert.Contains($"`{Suffix().Replace(name, "")}`", guide, StringComparison.Ordinal));
    }

    [GeneratedRegex("(?:ollama|gen_ai)_[a-z_]+")]
    private static partial Regex MetricName();

    [GeneratedRegex("_bucket$")]
    private static partial Regex Suffix();
}

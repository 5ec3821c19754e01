using OllamaBridge.Testing.Repository;

namespace OllamaBridge.Gateway.FunctionalTests.Deployment;

/// <summary>Rules and alerts are valid and use existing metrics, and each alert is tested and documented.</summary>
public sealed class PrometheusTests
{
    public static TheoryData<string> Alerts => [.. PrometheusFiles.Rules.Where(r => r.IsAlert).Select(r => r.Name)];

    [Fact]
    public async Task Files_Promtool_NoErrors()
    {
        await AssertAsync(["check", "config", RepositoryFiles.PathOf($"{PrometheusFiles.Folder}/prometheus.yml")]);
        await AssertAsync(["check", "rules", .. PrometheusFiles.In("rules")]);
    }

    [Fact]
    public Task Alerts_PromtoolsTests_Pass() => AssertAsync(["test", "rules", .. PrometheusFiles.In("tests")]);

    [Fact]
    public void Alerts_Names_Unique() => Assert.Equal(Alerts.Count, PrometheusFiles.Rules.Where(r => r.IsAlert).Select(r => r.Name).Distinct().Count());

    [Theory, MemberData(nameof(Alerts))]
    public void Alert_Tests_OneFiringAndOneNotFiring(string name)
    {
        var cases = PrometheusFiles.Cases.Where(c => c.Alert == name).ToArray();
        Assert.Contains(cases, c => c.Fires);
        Assert.Contains(cases, c => !c.Fires);
    }

    [Theory, MemberData(nameof(Alerts))]
    public void Alert_LabelsAndAnnotations_LinkToRunbook(string name)
    {
        var alert = PrometheusFiles.Rules.Single(r => r.Name == name);
        Assert.True(alert.Labels["severity"] is "page" or "ticket");
        Assert.NotEmpty(alert.Annotations["summary"]);
        Assert.NotEmpty(alert.Annotations["description"]);
        Assert.Equal($"docs/runbooks.md#{name.ToLowerInvariant()}", alert.Annotations["runbook_url"]);

        var sections = RepositoryFiles.Read("docs/runbooks.md").Split("\n## ").ToLookup(s => s.Split('\n')[0]);
        var section = Assert.Single(sections[name]);
        Assert.All(["**Means.**", "**Users notice**", "**Look.**", "**Do.**"], part => Assert.Contains(part, section, StringComparison.Ordinal));
    }

    [Fact]
    public void Tests_Alerts_EqualAlertsInRules() =>
        Assert.Empty(PrometheusFiles.Cases.Select(c => c.Alert).Except(PrometheusFiles.Rules.Where(r => r.IsAlert).Select(r => r.Name)));

    [Fact]
    public void Rules_Expressions_DocumentedMetricsAndLabels() =>
        Assert.All(PrometheusFiles.Rules, rule => PromQl.AssertKnown(rule.Expression, PrometheusFiles.Recorded));

    private static async Task AssertAsync(IEnumerable<string> arguments)
    {
        var (code, said) = await Promtool.RunAsync(arguments);
        Assert.True(code == 0, said);
    }
}

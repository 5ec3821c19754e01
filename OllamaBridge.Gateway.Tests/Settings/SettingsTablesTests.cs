using System.Text.RegularExpressions;
using OllamaBridge.Gateway.Settings;
using OllamaBridge.Testing.Repository;

namespace OllamaBridge.Gateway.Tests.Settings;

/// <summary>The tables in <c>docs/configuration/</c> have every setting of the gateway, no other, and its default.</summary>
public sealed partial class SettingsTablesTests
{
    private const string Index = "docs/configuration.md";

    private static readonly Lazy<DocumentedSetting[]> Documented = new(() =>
        [.. RepositoryFiles.Pages.Where(p => p.StartsWith("docs/configuration/", StringComparison.Ordinal)).SelectMany(p => SettingsTable.Read(p, RepositoryFiles.Read(p)))]);

    [Fact]
    public void Tables_KeysAndDefaults_EqualTheOptionsTypes()
    {
        var errors = SettingsTable.FindErrors(BridgeSettings.Root, GatewaySettings.Tree, Documented.Value);

        Assert.True(errors.Count == 0, string.Join(Environment.NewLine, errors));
    }

    [Theory]
    [InlineData("Bridge:Queue:Lenght", "1024", "is not a setting")]
    [InlineData("Bridge:Queue:length", "1024", "is not a setting")]
    [InlineData("Bridge:Scheduling:Scorers:loads", "1.5", "is not a setting")]
    [InlineData("Bridge:Instances:0:Url", "", "is not a setting")]
    [InlineData("Bridge:Queue", "", "or a section")]
    [InlineData("Bridge:Queue:Length", "1000", "is 1024, not 1000")]
    [InlineData("Bridge:Queue:MaxWait", "2 s", "is 00:02:00, not 2 s")]
    [InlineData("Bridge:Limits:MaxBody", "100 KiB", "is 104857600, not 100 KiB")]
    [InlineData("Bridge:Access:RequireKey", "`true`", "is false, not `true`")]
    [InlineData("Bridge:Access:RequireKey", "", "is false, not ")]
    [InlineData("Bridge:Limits:MaxImages", "5", "is absent, not 5")]
    public void FindErrors_WrongRow_Found(string key, string value, string error) =>
        Assert.Contains(SettingsTable.FindErrors(BridgeSettings.Root, GatewaySettings.Tree, [new DocumentedSetting("page", key, value)]), e => e.StartsWith("page: ", StringComparison.Ordinal) && e.Contains(error, StringComparison.Ordinal));

    [Fact]
    public void Index_KeysThatNeedARestart_EqualTheOptionsTypes()
    {
        var listed = BridgeKey().Matches(RepositoryFiles.Read(Index).Split('\n').Single(l => l.StartsWith("A change of these keys needs a restart", StringComparison.Ordinal)))
            .Select(m => m.Groups["key"].Value).ToArray();

        // Both directions: no setting is missing, and no listed section has a setting that can change at run time.
        Assert.All(Leaves(GatewaySettings.Tree, BridgeSettings.Root), leaf =>
            Assert.True(leaf.NeedsRestart == listed.Any(l => leaf.Key == l || leaf.Key.StartsWith($"{l}:", StringComparison.Ordinal)), leaf.Key));
    }

    private static IEnumerable<(string Key, bool NeedsRestart)> Leaves(SettingNode node, string key) => node switch
    {
        SettingObject section => section.Members.SelectMany(m => Leaves(m.Value, $"{key}:{m.Key}")),
        _ => [(key, node.NeedsRestart)],
    };

    [GeneratedRegex("`(?<key>Bridge:[A-Za-z:]+)`")]
    private static partial Regex BridgeKey();
}

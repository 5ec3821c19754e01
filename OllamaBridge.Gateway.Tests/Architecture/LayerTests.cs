using System.Text.RegularExpressions;
using OllamaBridge.Gateway.Pipeline;
using OllamaBridge.Testing.Repository;

namespace OllamaBridge.Gateway.Tests.Architecture;

/// <summary>The gateway's folders are layers (ADR 0061).</summary>
public partial class LayerTests
{
    private const string Root = "OllamaBridge.Gateway";

    /// <summary>The composition root: files beside the folders.</summary>
    private const string Top = ".";

    /// <summary>From top to bottom. A folder, with its subfolders, uses itself and the folders after it.</summary>
    private static readonly string[] Layers =
    [
        Top, "State", "Admin", "Pipeline", "Forwarding", "Resumption", "Activation", "Queueing", "Quotas", "Scheduling", "Catalog", "Accounting", "Fleet",
        "Audit", "Tenants", "Discovery", "Shutdown", "Telemetry", "Protocols", "Settings", "Common",
    ];

    private static readonly IReadOnlyList<TypeUse> References = TypeReferences.Read(typeof(GatewayServer).Assembly, Root);

    // The stages of every folder, by their interface: a stage's name does not matter.
    private static readonly HashSet<string> Stages = typeof(GatewayServer).Assembly.GetTypes()
        .Where(t => t.IsClass && t.IsAssignableTo(typeof(IRequestStage)))
        .Select(t => t.FullName![(Root.Length + 1)..])
        .ToHashSet(StringComparer.Ordinal);

    [Fact]
    public void Folders_All_AreLayers() =>
        AssertNone(References.SelectMany(r => new[] { r.From, r.To }).Distinct().Where(t => LayerOf(t) < 0));

    [Fact]
    public void References_BetweenFolders_PointDown() =>
        AssertNone(References.Where(r => LayerOf(r.To) < LayerOf(r.From)));

    [Fact]
    public void State_OfOtherFolders_IsUsedByTheCompositionRootOnly() =>
        AssertNone(References.Where(r => FolderOf(r.To) == "State" && FolderOf(r.From) is not ("State" or Top)));

    [Fact]
    public void Stages_Each_ReferenceNoOtherStage()
    {
        Assert.NotEmpty(Stages);
        AssertNone(References.Where(r => IsStage(r.From) && IsStage(r.To) && r.From != r.To));
    }

    [Fact]
    public void Telemetry_Types_AreNoMetricsOrLogsOfOtherFolders() =>
        AssertNone(typeof(GatewayServer).Assembly.GetTypes()
            .Where(t => t.Namespace?.StartsWith($"{Root}.Telemetry", StringComparison.Ordinal) == true)
            .Select(t => t.Name)
            .Where(n => n.EndsWith("Metrics", StringComparison.Ordinal) || n.EndsWith("Log", StringComparison.Ordinal)));

    [Fact]
    public void Guide_Folders_EqualLayers() =>
        Assert.Equal(Layers, Folder().Matches(RepositoryFiles.Read("docs/architecture.md")).Select(m => m.Groups[1].Value));

    [Fact]
    public void Guide_StreamedRequest_NamesAtMostThirtyFilesThatExist()
    {
        var files = WalkedFile().Matches(RepositoryFiles.Read("docs/architecture.md")).Select(m => m.Groups[1].Value).ToList();
        Assert.InRange(files.Count, 1, 30);
        Assert.All(files, file => Assert.True(File.Exists(RepositoryFiles.PathOf($"OllamaBridge.Gateway/{file}")), file));
    }

    [GeneratedRegex(@"^\| \d+ \| `([^`]+)` \|", RegexOptions.Multiline)]
    private static partial Regex WalkedFile();

    [GeneratedRegex(@"^\| `(\.|[^`]+(?=/`))/?` \|", RegexOptions.Multiline)]
    private static partial Regex Folder();

    private static bool IsStage(string type) => Stages.Contains(type);

    private static string FolderOf(string type) => type.Contains('.', StringComparison.Ordinal) ? type.Split('.')[0] : Top;

    private static int LayerOf(string type) => Array.IndexOf(Layers, FolderOf(type));

    private static void AssertNone<T>(IEnumerable<T> violations)
    {
        var found = violations.ToList();
        Assert.True(found.Count == 0, $"{found.Count} violations:{Environment.NewLine}{string.Join(Environment.NewLine, found)}");
    }
}

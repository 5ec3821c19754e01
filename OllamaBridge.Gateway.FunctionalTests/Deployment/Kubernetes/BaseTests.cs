using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using OllamaBridge.Testing.Repository;

namespace OllamaBridge.Gateway.FunctionalTests.Deployment.Kubernetes;

/// <summary>The base is aspirate's output for the current manifest, with its defects repaired. The tests need neither aspirate nor kubectl.</summary>
public sealed partial class BaseTests
{
    private static readonly string[] Templates =
        ["dapr-component.hbs", "dashboard.hbs", "deployment.hbs", "kustomization.hbs", "namespace.hbs", "service.hbs", "statefulset.hbs"];

    private static readonly JsonObject Resources = JsonNode.Parse(RepositoryFiles.Read("aspire-manifest.json"))!["resources"]!.AsObject();

    private static IEnumerable<string> Files => Directory.GetFiles(RepositoryFiles.PathOf($"{Overlay.Folder}/base"), "*.yaml", SearchOption.AllDirectories);

    public static TheoryData<string> Deployed =>
        [.. Resources.Where(r => ((string)r.Value!["type"]!).Split('.')[0] is "container" or "project").Select(r => r.Key)];

    [Fact]
    public void Templates_Custom_CompleteForAspirate() => Assert.Equal(
        Templates, Directory.GetFiles(RepositoryFiles.PathOf($"{Overlay.Folder}/templates")).Select(f => Path.GetFileName(f)!).Order(StringComparer.Ordinal));

    [Fact]
    public void Files_Content_NothingUnresolvedEscapedOrSecret() => Assert.All(Files, file =>
    {
        var text = File.ReadAllText(file);
        Assert.DoesNotMatch(Defect(), text);
        Assert.StartsWith("# Written by deploy/kubernetes/generate.sh", text, StringComparison.Ordinal);
    });

    [Fact]
    public void Resources_InManifest_AllPresent() =>
        Assert.Equal(Deployed.Select(d => (string)d.Data).Order(StringComparer.Ordinal), Directory.GetDirectories(RepositoryFiles.PathOf($"{Overlay.Folder}/base")).Select(f => Path.GetFileName(f)!).Order(StringComparer.Ordinal));

    [Theory, MemberData(nameof(Deployed))]
    public void Settings_InManifest_AllPresentExceptSecrets(string resource)
    {
        var written = Literal().Matches(RepositoryFiles.Read($"{Overlay.Folder}/base/{resource}/kustomization.yaml")).ToDictionary(m => m.Groups[1].Value, m => m.Groups[2].Value);
        var said = (Resources[resource]!["env"]?.AsObject() ?? []).Where(e => !Kept().IsMatch(e.Key)).ToDictionary(e => e.Key, e => (string)e.Value!);
        Assert.Equal(said.Keys.Order(StringComparer.Ordinal), written.Keys.Order(StringComparer.Ordinal));
        Assert.All(said.Where(s => !s.Value.Contains('{', StringComparison.Ordinal)), s => Assert.Equal(s.Value, written[s.Key]));
    }

    [Theory, MemberData(nameof(Deployed))]
    public void ImageAndPort_InManifest_Same(string resource)
    {
        var node = Resources[resource]!;
        var folder = RepositoryFiles.PathOf($"{Overlay.Folder}/base/{resource}");
        var workload = File.ReadAllText(Directory.GetFiles(folder).Single(f => Path.GetFileName(f) is "deployment.yaml" or "statefulset.yaml"));
        foreach (var (binding, value) in node["bindings"]!.AsObject())
        {
            var port = (int)value!["targetPort"]!;
            Assert.Contains($"- name: {binding}\n              containerPort: {port}\n", workload, StringComparison.Ordinal);
            Assert.Contains($"- name: {binding}\n      port: {port}\n", File.ReadAllText(Path.Combine(folder, "service.yaml")), StringComparison.Ordinal);
        }

        if (node["image"] is { } image)
            Assert.Contains($"image: {image}\n", workload, StringComparison.Ordinal);
        var (name, tag) = Image().Match(workload) is var match ? (match.Groups[1].Value, match.Groups[2].Value) : default;
        Assert.Equal(OverlayTests.Versions()[name], tag);
    }

    [Fact]
    public void Version_Bridge_IsNewestRelease() =>
        Assert.Equal(RepositoryFiles.NewestRelease(), OverlayTests.Versions()["ollamabridge/gateway"]);

    [Fact]
    public void Rules_PrometheusOperator_EqualPrometheusFolder()
    {
        var rule = CustomResource.ToJson(RepositoryFiles.Read($"{Overlay.Folder}/components/monitoring/prometheusrule.yaml"));
        var groups = new JsonArray([.. PrometheusFiles.In("rules").SelectMany(f => CustomResource.ToJson(File.ReadAllText(f))["groups"]!.AsArray()).Select(g => g!.DeepClone())]);
        Assert.True(JsonNode.DeepEquals(groups, rule["spec"]!["groups"]), "run deploy/kubernetes/generate.sh");
    }

    [GeneratedRegex(@"\{[a-z][\w.-]*\}|&(amp|quot|lt|gt|#)|8443|ASPNETCORE_URLS|[Pp]assword=|_PASSWORD=|Recreate|storage: 1Gi|AllowAnonymous")]
    private static partial Regex Defect();

    // generate.sh omits secrets.
    [GeneratedRegex("^ConnectionStrings__|PASSWORD$|URI$|^Bridge__Tenants__.*__Keys__")]
    private static partial Regex Kept();

    [GeneratedRegex("^ +- '([^=]+)=(.*)'$", RegexOptions.Multiline)]
    private static partial Regex Literal();

    [GeneratedRegex(@"image: (\S+):(\S+)\n")]
    private static partial Regex Image();
}

using System.Text;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Gateway.Tenants;
using OllamaBridge.Testing.Repository;
using k8s.Models;

namespace OllamaBridge.Gateway.FunctionalTests.Deployment.Kubernetes;

/// <summary>The Secrets of the guide have the names that pods use and keys that the bridge accepts, and git ignores them.</summary>
public sealed class SecretsTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("secrets").FullName;

    private static string Source => RepositoryFiles.PathOf($"{Overlay.Folder}/secrets");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Script_FirstRun_SecretsAcceptedByBridge()
    {
        var shown = await MakeAsync();

        var secrets = Overlay.Split(Kubectl.Kustomize(_folder)).Select(Overlay.Parse).Cast<V1Secret>().ToDictionary(s => s.Metadata.Name, s => s.Data);
        Assert.Equal(["bridge-hook", "bridge-metrics", "bridge-state", "bridge-tenants"], secrets.Keys.Order());
        Assert.All(secrets.Where(s => OverlayTests.Secrets[s.Key].Length > 0), s => Assert.Contains(Assert.Single(s.Value).Key, OverlayTests.Secrets[s.Key]));
        Assert.Matches("^[0-9a-f]{48}$", Encoding.UTF8.GetString(secrets["bridge-state"]["password"]));

        var tenants = new TenantsOptions();
        foreach (var (key, value) in secrets["bridge-tenants"])
        {
            var parts = key.Split("__");
            Assert.Equal(["Bridge", "Tenants"], parts[..2]);
            var tenant = tenants.GetValueOrDefault(parts[2]) ?? new TenantOptions();
            var text = Encoding.UTF8.GetString(value);
            tenants[parts[2]] = parts[3] == "Keys" ? tenant with { Keys = [text] } : tenant with { Scopes = Enum.Parse<Scopes>(text) };
        }

        Assert.Equal(["chat", "instances", "monitoring", "operators"], tenants.Keys.Order());
        Assert.False(new TenantsOptionsValidator().Validate(Options.DefaultName, tenants).Failed);
        Assert.Equal(
            (Scopes.Drain, Scopes.Inference, Scopes.Metrics),
            (tenants["instances"].Scopes, tenants["chat"].Scopes, tenants["monitoring"].Scopes));
        var metrics = Encoding.UTF8.GetString(secrets["bridge-metrics"]["key"]);
        Assert.StartsWith($"ob-{tenants["monitoring"].Keys[0].Split('.')[0]}-", metrics, StringComparison.Ordinal);
        // The bridge has the hook's key, and the script does not print it.
        var hook = Encoding.UTF8.GetString(secrets["bridge-hook"]["key"]);
        Assert.StartsWith($"ob-{tenants["instances"].Keys[0].Split('.')[0]}-", hook, StringComparison.Ordinal);
        Assert.DoesNotContain(hook, shown, StringComparison.Ordinal);
        Assert.Contains($"operator: ob-{tenants["operators"].Keys[0].Split('.')[0]}-", shown, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Script_FilesExist_NotOverwritten()
    {
        await File.WriteAllTextAsync(Path.Combine(_folder, "tenants.env"), "mine", TestContext.Current.CancellationToken);
        await MakeAsync(expected: 1);
        Assert.Equal("mine", await File.ReadAllTextAsync(Path.Combine(_folder, "tenants.env"), TestContext.Current.CancellationToken));
    }

    [Fact]
    public void Files_WithSecrets_IgnoredByGit()
    {
        var ignored = RepositoryFiles.Read(".gitignore").Split('\n');
        Assert.Contains($"{Overlay.Folder}/secrets/*.env", ignored);
        Assert.Contains($"{Overlay.Folder}/secrets/*.key", ignored);
    }

    private async Task<string> MakeAsync(int expected = 0)
    {
        foreach (var file in new[] { "kustomization.yaml", "secrets.sh" })
            File.Copy(Path.Combine(Source, file), Path.Combine(_folder, file));
        var ended = await EndedProcess.RunAsync(
            Promtool.Find("bash"), [Path.Combine(_folder, "secrets.sh")], [("NEW_KEY", $"{RunningProcess.Dotnet} {typeof(GatewayServer).Assembly.Location} new-key")]);
        Assert.True(ended.Code == expected, ended.Said);
        return ended.Said;
    }
}

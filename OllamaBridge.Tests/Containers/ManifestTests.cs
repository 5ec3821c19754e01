using System.Text.Json.Nodes;

namespace OllamaBridge.Tests;

/// <summary>The manifest in the repository's root is current.</summary>
public sealed class ManifestTests
{
    [Fact]
    public async Task Manifest_Regenerated_EqualsCommittedFile()
    {
        var committed = await File.ReadAllTextAsync(Path.Combine(Repository.Root, "aspire-manifest.json"), TestContext.Current.CancellationToken);

        var now = await PublishAsync();

        Assert.True(
            committed.ReplaceLineEndings() == now.ReplaceLineEndings(),
            $"aspire-manifest.json is not current. Run ./deploy/manifest.sh to update it. Expected content:\n{now}");
    }

    [Fact]
    public async Task Manifest_IdenticalInstances_PublishedAsOneReplicatedResource()
    {
        var resources = JsonNode.Parse(
            await PublishAsync("--Fleet:Instances=5", "--Fleet:Backend=Simulator", "--Fleet:Tiers:cold:Instances=2"))!["resources"]!.AsObject();

        var instances = resources.Where(r => r.Value!["image"]?.GetValue<string>().Contains("ollama/ollama", StringComparison.Ordinal) == true);
        Assert.Equal(["ollama", "ollama-cold"], instances.Select(r => r.Key));
        var environment = resources["bridge"]!["env"]!;
        Assert.Equal("http://ollama", environment["Bridge__Instances__0__Url"]!.GetValue<string>());
        Assert.Equal("Dns", environment["Bridge__Instances__0__Discovery"]!.GetValue<string>());
        Assert.Equal("http://ollama-cold", environment["Bridge__Instances__1__Url"]!.GetValue<string>());
    }

    [Fact]
    public async Task Manifest_Secrets_OnlyAsParameters()
    {
        var resources = JsonNode.Parse(await PublishAsync())!["resources"]!.AsObject();

        foreach (var secret in new[] { "state-password", "bridge-key" })
            Assert.True(resources[secret]!["inputs"]!["value"]!["secret"]!.GetValue<bool>());
        var environment = resources["bridge"]!["env"]!.AsObject();
        Assert.Equal("{bridge-key.value}", environment["Bridge__Tenants__clients__Keys__0"]!.GetValue<string>());
        // The published bridge can be reached from outside, so anonymous access must be off.
        Assert.DoesNotContain("Bridge__Access__AllowAnonymous", environment.Select(e => e.Key));
        Assert.Equal(
            ["ConnectionStrings__state"],
            resources["bridge"]!["env"]!.AsObject().Where(e => e.Value!.GetValue<string>().Contains("state", StringComparison.Ordinal)).Select(e => e.Key));
    }

    /// <summary>Publishes into the repository's root, because the manifest's paths are relative to its own directory.</summary>
    private static async Task<string> PublishAsync(params string[] arguments)
    {
        var path = Path.Combine(Repository.Root, $"aspire-manifest.{Guid.NewGuid():n}.json");
        try
        {
            await using var builder = await Apps.OwnAsync(["--publisher", "manifest", "--output-path", path, .. arguments]);
            await using var app = await builder.BuildAsync(TestContext.Current.CancellationToken);
            await app.RunAsync(TestContext.Current.CancellationToken).WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken);
            return await File.ReadAllTextAsync(path, TestContext.Current.CancellationToken);
        }
        finally
        {
            File.Delete(path);
        }
    }
}

using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Http;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Gateway.Shutdown;
using OllamaBridge.Gateway.Tenants;
using OllamaBridge.Testing.Repository;

namespace OllamaBridge.Gateway.FunctionalTests.Deployment;

/// <summary>Values that occur several times in the compose files are equal.</summary>
public partial class ComposeFileTests
{
    private static readonly string[] Overlays = ["compose.nvidia.yaml", "compose.amd.yaml"];
    private readonly ComposeFile _compose = ComposeFile.Read("compose.yaml");

    private ComposeService Bridge => _compose.Services["bridge"];

    private string[] InstanceNames => [.. _compose.Services.Keys.Where(name => InstanceName().IsMatch(name)).Order(StringComparer.Ordinal)];

    [Fact]
    public void Instances_BridgeSettings_EqualServices()
    {
        Assert.Equal(["ollama-1", "ollama-2", "ollama-3"], InstanceNames);
        for (var i = 0; i < InstanceNames.Length; i++)
        {
            Assert.Equal(InstanceNames[i], Bridge.Environment($"Bridge__Instances__{i}__Name"));
            Assert.Equal($"http://{InstanceNames[i]}:11434", Bridge.Environment($"Bridge__Instances__{i}__Url"));
            Assert.NotNull(Bridge.Awaits(InstanceNames[i]));
        }
        Assert.Null(Bridge.Environment($"Bridge__Instances__{InstanceNames.Length}__Url"));
    }

    [Fact]
    public void Limits_BridgeSettings_EqualInstances()
    {
        for (var i = 0; i < InstanceNames.Length; i++)
        {
            var instance = _compose.Services[InstanceNames[i]];
            Assert.StartsWith("${OLLAMA_NUM_PARALLEL:-", instance.Environment("OLLAMA_NUM_PARALLEL")!, StringComparison.Ordinal);
            Assert.Equal(instance.Environment("OLLAMA_NUM_PARALLEL"), Bridge.Environment("Bridge__Slots"));
            Assert.Null(Bridge.Environment($"Bridge__Instances__{i}__Slots"));
            Assert.Equal(instance.Environment("OLLAMA_MAX_LOADED_MODELS"), Bridge.Environment($"Bridge__Instances__{i}__MaxLoadedModels"));
        }
    }

    [Fact]
    public void Instances_SharedModelFolder_NeverPrune()
    {
        foreach (var instance in InstanceNames.Select(name => _compose.Services[name]))
        {
            Assert.Equal("1", instance.Environment("OLLAMA_NOPRUNE"));
            Assert.Equal(["models:/models"], instance.List("volumes"));
            Assert.Equal("/models", instance.Environment("OLLAMA_MODELS"));
            Assert.Contains("/tmp", instance.List("tmpfs"));
        }
    }

    [Fact]
    public void Models_OneWriter_StartsBeforeOtherInstances()
    {
        var models = _compose.Services["models"];
        Assert.Equal("no", models.Text("restart"));
        Assert.Equal($"http://{InstanceNames[0]}:11434", models.Environment("OLLAMA_HOST"));
        Assert.Equal("service_healthy", models.Awaits(InstanceNames[0]));
        foreach (var other in InstanceNames.Skip(1).Append("bridge"))
            Assert.Equal("service_completed_successfully", _compose.Services[other].Awaits("models"));
    }

    [Fact]
    public void Ports_Published_OnlyBridgeOnLoopback()
    {
        Assert.Equal(["bridge"], _compose.Services.Where(s => s.Value.Has("ports")).Select(s => s.Key));
        var admin = Assert.Single(ListenRules.SplitAdminUrls(Bridge.Environment("Bridge__Admin__Urls")));
        Assert.Equal(
            [$"${{BRIDGE_ADDRESS:-127.0.0.1}}:${{BRIDGE_PORT:-11400}}:{new Uri(GatewayServer.DefaultUrl).Port}",
                $"127.0.0.1:${{BRIDGE_ADMIN_PORT:-11401}}:{BindingAddress.Parse(admin).Port}"],
            Bridge.List("ports"));
        foreach (var service in _compose.Services.Values)
            Assert.False(service.Has("network_mode"));
    }

    [Fact]
    public void Services_LongRunning_RestartAndHaveHealthChecks()
    {
        foreach (var (name, service) in _compose.Services.Where(s => s.Key != "models"))
        {
            Assert.Equal("unless-stopped", service.Text("restart"));
            // The bridge's image contains no program for a health check.
            Assert.Equal(name != "bridge", service.Has("healthcheck"));
        }
    }

    [Fact]
    public void Bridge_Container_HasMinimalPrivileges()
    {
        Assert.Equal("true", Bridge.Text("read_only"));
        Assert.Equal(["ALL"], Bridge.List("cap_drop"));
        Assert.Equal(["no-new-privileges:true"], Bridge.List("security_opt"));
        Assert.DoesNotContain("*", Bridge.Environment("AllowedHosts")!, StringComparison.Ordinal);
        // Spooled bodies are stored on a disk.
        Assert.Equal(["spool:/tmp"], Bridge.List("volumes"));
        Assert.False(Bridge.Has("tmpfs"));
    }

    [Fact]
    public async Task Keys_Script_AcceptedByBridgeAndKeptByNextRun()
    {
        Assert.Equal("true", Bridge.Environment("Bridge__Access__RequireKey"));
        Assert.Null(Bridge.Environment("Bridge__Access__AllowAnonymous"));
        var folder = Directory.CreateTempSubdirectory("compose").FullName;
        try
        {
            var script = Path.Combine(folder, "keys.sh");
            File.Copy(RepositoryFiles.PathOf($"{ComposeFile.Folder}/keys.sh"), script);
            var made = await EndedProcess.RunAsync(Promtool.Find("bash"), [script], []);
            Assert.True(made.Code == 0, made.Said);
            var file = await File.ReadAllLinesAsync(Path.Combine(folder, ".env"), TestContext.Current.CancellationToken);
            var values = file.Select(l => l.Split('=', 2)).ToDictionary(l => l[0], l => l[1]);

            // Every variable without a default has a value, and only the owner can read the file.
            Assert.Equal(_compose.Variables().Where(v => v.Value is null).Select(v => v.Key).Order(), values.Keys.Order());
            Assert.True(OperatingSystem.IsWindows() || File.GetUnixFileMode(Path.Combine(folder, ".env")) == (UnixFileMode.UserRead | UnixFileMode.UserWrite));
            Assert.Matches("^[0-9a-f]{48}$", values["STATE_PASSWORD"]);
            var tenants = new TenantsOptions();
            foreach (var (tenant, variable) in new[] { ("clients", "BRIDGE_KEY"), ("operators", "BRIDGE_OPERATOR_KEY") })
            {
                Assert.StartsWith($"${{{variable}:?", Bridge.Environment($"Bridge__Tenants__{tenant}__Keys__0")!, StringComparison.Ordinal);
                tenants[tenant] = new TenantOptions { Keys = [values[variable]] };
            }

            Assert.False(new TenantsOptionsValidator().Validate(null, tenants).Failed);
            Assert.NotEqual(values["BRIDGE_KEY"], values["BRIDGE_OPERATOR_KEY"]);

            await EndedProcess.RunAsync(Promtool.Find("bash"), [script], []);
            Assert.Equal(file, await File.ReadAllLinesAsync(Path.Combine(folder, ".env"), TestContext.Current.CancellationToken));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void Bridge_Stop_WaitsLongerThanStreams() => Assert.True(
        TimeSpan.FromSeconds(int.Parse(Bridge.Text("stop_grace_period").TrimEnd('s'), CultureInfo.InvariantCulture))
        > TimeSpan.Parse(Bridge.Environment("Bridge__Shutdown__GracePeriod")!, CultureInfo.InvariantCulture) + GracefulStop.Reserve);

    [Fact]
    public void Redis_State_PersistentAndPasswordProtected()
    {
        var redis = _compose.Services["redis"];
        Assert.Contains("--appendonly yes", redis.List("command")[^1], StringComparison.Ordinal);
        Assert.Contains("requirepass", redis.List("command")[^1], StringComparison.Ordinal);
        Assert.Equal(["state:/data"], redis.List("volumes"));
        Assert.StartsWith("redis:6379,password=${STATE_PASSWORD:?", Bridge.Environment("ConnectionStrings__state")!, StringComparison.Ordinal);
        Assert.Null(_compose.Variables()["STATE_PASSWORD"]);
    }

    [Fact]
    public void Images_Everywhere_OnePinnedVersion()
    {
        var overlays = Overlays.Select(ComposeFile.Read).ToArray();
        var images = overlays.Append(_compose).SelectMany(f => f.Services.Values).Where(s => s.Has("image")).Select(s => s.Image).ToArray();
        Assert.All(images, image => Assert.Matches(PinnedImage(), image));
        Assert.Equal(
            ["docker.io/ollama/ollama:0.32.15", "docker.io/ollama/ollama:0.32.15-rocm"],
            images.Where(i => i.Contains("/ollama/", StringComparison.Ordinal)).Distinct().Order(StringComparer.Ordinal));
        var newestRelease = RepositoryFiles.NewestRelease();
        Assert.Equal($"ollamabridge/gateway:{newestRelease}", Bridge.Image);
    }

    [Fact]
    public void Overlays_GpuPerInstance_NoneTwice()
    {
        foreach (var overlay in Overlays.Select(ComposeFile.Read))
        {
            Assert.Equal(InstanceNames, overlay.Services.Keys.Where(name => name != "models").Order(StringComparer.Ordinal));
            Assert.Equal(
                new Dictionary<string, string?> { ["GPU_1"] = "0", ["GPU_2"] = "1", ["GPU_3"] = "2" }, overlay.Variables());
        }
    }

    [Fact]
    public void Guide_Variables_AllWithDefaults()
    {
        var rows = GuideRow().Matches(RepositoryFiles.Read("docs/compose.md"))
            .ToDictionary(m => m.Groups[1].Value, m => m.Groups[2].Value.Trim().Trim('`'));
        var variables = Overlays.Select(ComposeFile.Read).Append(_compose).SelectMany(f => f.Variables()).DistinctBy(v => v.Key);
        Assert.Equal(
            variables.OrderBy(v => v.Key, StringComparer.Ordinal).Select(v => $"{v.Key}={v.Value}"),
            rows.OrderBy(r => r.Key, StringComparer.Ordinal).Select(r => $"{r.Key}={r.Value}"));
    }

    [GeneratedRegex(@"^ollama-\d+$")]
    private static partial Regex InstanceName();

    [GeneratedRegex(@":\d+(\.\d+)+(-rocm)?$")]
    private static partial Regex PinnedImage();

    [GeneratedRegex(@"^\| `([A-Z0-9_]+)` \|([^|]*)\|", RegexOptions.Multiline)]
    private static partial Regex GuideRow();
}
